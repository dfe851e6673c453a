import assert from 'node:assert/strict'
import { ALL, ROOM, ROOMY, append, by, draft, offsetOf, outcomesAre, readAll, rejectsWith, shown, texts, withId, Ear, type Kit } from './kit.js'

/** Names that a careless key, pattern or table would mix up. */
const ALIKE = ['a', 'A', 'a/b', 'a/B', 'a/b/c', 'a.b', 'a-b', 'a_b', 'a~b', 'a@b', 'ab', '0', '00', 'constructor', 'toString', '$inbox/a']

/** Append and read: order, numbers, bytes, epochs. */
export function log (kit: Kit): void {
  appending(kit)
  paging(kit)
  epochs(kit)
}

function appending (kit: Kit): void {
  kit.open('log: numbers records 1, 2, 3 without holes in one epoch, one outcome for each draft', async (storage) => {
    outcomesAre(await append(storage, ROOM, 'a'), ['stored 1'])
    outcomesAre(await append(storage, ROOM, 'b', 'c'), ['stored 2', 'stored 3'])
    outcomesAre(await append(storage, ROOM), [])
    const page = await readAll(storage)
    assert.deepEqual([page.first, page.head, page.from, texts(page.records)], [1, 3, 1, ['a', 'b', 'c']])
    const outcomes = await append(storage, ROOM, 'd')
    assert.deepEqual(outcomes, [{ status: 'stored', position: { epoch: page.epoch, offset: 4 } }])
  })

  kit.open('log: two appends to one channel never interleave', async (storage) => {
    const runs = await Promise.all(Array.from({ length: 20 }, (_, run) => append(storage, ROOM, `${run}.0`, `${run}.1`, `${run}.2`)))
    const { records, head } = await readAll(storage)
    assert.equal(head, 60)
    runs.forEach((outcomes, run) => {
      const first = offsetOf(outcomes[0]) as number
      assert.deepEqual(outcomes.map(offsetOf), [first, first + 1, first + 2], 'a run is consecutive')
      assert.deepEqual(texts(records.slice(first - 1, first + 2)), [`${run}.0`, `${run}.1`, `${run}.2`])
    })
  })

  kit.open('log: bodies are stored as they are, whatever their bytes, and so is the QoS', async (storage) => {
    const bodies = [Uint8Array.from({ length: 256 }, (_, i) => i), new Uint8Array(0), new Uint8Array(3), Uint8Array.of(0xff, 0xfe, 0xc0, 0x80, 0x0d, 0x0a),
      Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7919) >>> 3 & 255), new Uint8Array(1000).fill(65).subarray(10, 20)]
    await storage.log.append(ROOM, bodies.map((body, i) => ({ body, qos: (i % 3) as 0 | 1 | 2 })), ROOMY)
    const { records } = await readAll(storage)
    assert.deepEqual(texts(records), bodies.map(shown))
    assert.deepEqual(records.map(({ qos }) => qos), [0, 1, 2, 0, 1, 2])
  })

  kit.open('log: channels whose names look alike do not mix', async (storage) => {
    for (const name of ALIKE) await append(storage, name, draft(name, { ...by('p', 1), ...withId('i', name) }))
    for (const name of ALIKE) {
      const page = await readAll(storage, name)
      assert.deepEqual([page.head, texts(page.records)], [1, [name]], name)
    }
  })

  kit.open('log: a draft larger than the retention rejects the run with PUSH_STORAGE_FULL and changes nothing', async (storage) => {
    const ear = new Ear()
    await storage.feed.join(ROOM, ear)
    const run = [draft('fits', by('p', 1)), draft('does not fit', withId('i', 'f'))]
    await rejectsWith('PUSH_STORAGE_FULL', 'append', () => storage.log.append(ROOM, run, { ...ROOMY, bytes: 11 }))
    assert.equal((await readAll(storage)).head, 0)
    outcomesAre(await storage.log.append(ROOM, run, { ...ROOMY, bytes: 16 }), ['stored 1', 'stored 2'])
    await kit.until(() => ear.knows(2), 'the append is announced')
    if (ear.interruptions === 0) assert.deepEqual(ear.heard, ['1 fits', '2 does not fit'])
  })
}

function paging (kit: Kit): void {
  kit.open('log: a page starts at `from` and has at most `limit` records; limit 0 reads the state', async (storage) => {
    await append(storage, ROOM, 'a', 'b', 'c', 'd', 'e')
    for (let from = 0; from <= 7; from++) {
      for (let limit = 0; limit <= 6; limit++) {
        const page = await storage.log.read(ROOM, { ...ALL, from, limit })
        const start = Math.max(from, 1)
        assert.deepEqual(texts(page.records), ['a', 'b', 'c', 'd', 'e'].slice(start - 1, start - 1 + limit), `from ${from}, limit ${limit}`)
        if (page.records.length > 0) assert.equal(page.from, start, `from ${from}`)
        assert.deepEqual([page.first, page.head], [1, 5])
      }
    }
  })

  kit.open('log: a page has at most `bytes` of bodies after the first record, and always the first', async (storage) => {
    const hundred = 'x'.repeat(100)
    await append(storage, ROOM, hundred, hundred, hundred, hundred, 'y')
    for (const [bytes, most] of [[0, 1], [99, 1], [100, 2], [350, 4]] as const) {
      const { records, from } = await storage.log.read(ROOM, { from: 1, limit: 10, bytes })
      assert.ok(records.length >= 1 && records.length <= most, `${bytes} bytes: ${records.length} records`)
      assert.equal(from, 1)
    }
    const all: Array<string | null> = []
    for (let from = 1; from <= 5;) {
      const { records } = await storage.log.read(ROOM, { from, limit: 10, bytes: 150 })
      all.push(...texts(records))
      from += records.length
      assert.ok(records.length > 0, 'reading page by page comes to the end')
    }
    assert.deepEqual(all, [hundred, hundred, hundred, hundred, 'y'])
  })

  kit.open('log: a page may start before the first retained record', async (storage) => {
    await storage.log.append(ROOM, ['a', 'b', 'c', 'd'].map((text) => draft(text)), { ...ROOMY, limit: 2 })
    for (const from of [0, 1, 2, 3]) {
      const page = await storage.log.read(ROOM, { ...ALL, from })
      assert.deepEqual([page.from, page.first, texts(page.records)], [3, 3, ['c', 'd']])
    }
  })
}

function epochs (kit: Kit): void {
  kit.open('log: of a channel that has no log, a read makes one, empty, and keeps it', async (storage) => {
    const page = await storage.log.read(ROOM, { ...ALL, limit: 0 })
    assert.deepEqual([page.head, page.first, page.records.length], [0, 1, 0])
    assert.ok(page.epoch.length > 0 && page.epoch.length <= 64, 'an epoch has 1 to 64 characters')
    assert.equal((await readAll(storage)).epoch, page.epoch)
    assert.deepEqual(await append(storage, ROOM, 'a'), [{ status: 'stored', position: { epoch: page.epoch, offset: 1 } }])
  })

  kit.open('log: each log has an epoch of its own', async (storage) => {
    const pages = await Promise.all(Array.from({ length: 50 }, (_, i) => readAll(storage, `room/${i}`)))
    assert.equal(new Set(pages.map(({ epoch }) => epoch)).size, 50)
    const again = await Promise.all(pages.map((_, i) => readAll(storage, `room/${i}`)))
    assert.deepEqual(again.map(({ epoch }) => epoch), pages.map(({ epoch }) => epoch))
  })

  kit.open('log: concurrent first reads of a channel agree about its epoch', async (storage) => {
    const pages = await Promise.all(Array.from({ length: 10 }, () => readAll(storage)))
    assert.equal(new Set(pages.map(({ epoch }) => epoch)).size, 1)
  })
}
