import assert from 'node:assert/strict'
import type { StorageAdapter } from '../../../types/storage.js'
import { Ear, LONG, ROOM, append, by, draft, readAll, shown, texts, withId, type Kit } from './kit.js'

/** How records reach listeners. */
export function feed (kit: Kit): void {
  announcing(kit)
  listening(kit)
  volatile(kit)
}

/** Appends one more record and waits until the listener knows of it: then it has heard all that came before. */
async function settle (kit: Kit, storage: StorageAdapter, ear: Ear, channel = ROOM): Promise<void> {
  const [outcome] = await append(storage, channel, 'last')
  assert.ok(outcome?.status === 'stored')
  const { offset } = outcome.position
  await kit.until(() => ear.knows(offset), `offset ${offset} is announced`)
}

function announcing (kit: Kit): void {
  kit.open('feed: every append after joining is announced, in order, as the log has it', async (storage) => {
    await append(storage, ROOM, 'before')
    const ear = new Ear()
    await storage.feed.join(ROOM, ear)
    await append(storage, ROOM, draft('a', { qos: 0 }), draft('b', { qos: 2, ttl: LONG }))
    await Promise.all(['c', 'd', 'e'].map((text) => append(storage, ROOM, text)))
    await settle(kit, storage, ear)
    if (ear.interruptions > 0) return // said aloud: the log is to be read
    const { epoch, records } = await readAll(storage)
    assert.deepEqual(ear.heard, texts(records).map((text, i) => `${i + 1} ${text}`).slice(1))
    for (const batch of ear.batches) {
      assert.equal(batch.epoch, epoch)
      const stored = records.slice(batch.from - 1, batch.from - 1 + batch.records.length)
      assert.deepEqual(batch.records.map(({ qos }) => qos), stored.map(({ qos }) => qos))
    }
  })

  kit.open('feed: a duplicate, a conflict and an empty run are not announced', async (storage) => {
    await append(storage, ROOM, draft('a', by('p', 1)), draft('b', withId('i', 'f')))
    const ear = new Ear()
    await storage.feed.join(ROOM, ear)
    await append(storage, ROOM, draft('a', by('p', 1)), draft('b', withId('i', 'f')), draft('?', withId('i', 'g')))
    await append(storage, ROOM)
    await append(storage, ROOM, draft('a', by('p', 1)), draft('c', by('p', 2)))
    await settle(kit, storage, ear)
    if (ear.interruptions === 0) assert.deepEqual(ear.heard, ['3 c', '4 last'])
  })

  kit.open('feed: bodies are announced as they are, whatever their bytes', async (storage) => {
    const ear = new Ear()
    await storage.feed.join(ROOM, ear)
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => 255 - i)
    await append(storage, ROOM, { body: bytes, qos: 1 }, { body: new Uint8Array(0), qos: 1 })
    await settle(kit, storage, ear)
    if (ear.interruptions === 0) assert.deepEqual(ear.heard, [`1 ${shown(bytes)}`, '2 ', '3 last'])
  })

  kit.open('feed: a channel is announced to those who joined it', async (storage) => {
    const names = ['a', 'A', 'a/b', 'a/b/c', 'a.b', 'ab']
    const ears = new Map(names.map((name) => [name, new Ear()]))
    for (const [name, ear] of ears) await storage.feed.join(name, ear)
    for (const name of names) await append(storage, name, name)
    for (const [name, ear] of ears) await settle(kit, storage, ear, name)
    for (const [name, ear] of ears) {
      if (ear.interruptions === 0) assert.deepEqual(ear.heard, [`1 ${name}`, '2 last'], name)
    }
  })
}

function listening (kit: Kit): void {
  kit.open('feed: after its release was called a listener is not called; the others go on', async (storage) => {
    const [gone, other] = [new Ear(), new Ear()]
    const release = await storage.feed.join(ROOM, gone)
    await storage.feed.join(ROOM, other)
    await append(storage, ROOM, 'a')
    await kit.until(() => gone.knows(1) && other.knows(1), 'both hear of it')
    const calls = gone.batches.length + gone.interruptions
    const released = release()
    await append(storage, ROOM, 'b')
    await settle(kit, storage, other)
    await released
    await settle(kit, storage, other)
    assert.equal(gone.batches.length + gone.interruptions, calls)
    if (other.interruptions === 0) assert.deepEqual(other.heard, ['1 a', '2 b', '3 last', '4 last'])
  })

  kit.open('feed: the same listener joined twice hears twice, and each release is its own', async (storage) => {
    const [ear, marker] = [new Ear(), new Ear()]
    const calls = (): number => ear.batches.length + ear.interruptions
    const release = await storage.feed.join(ROOM, ear)
    const releaseOther = await storage.feed.join(ROOM, ear)
    await append(storage, ROOM, 'a')
    await kit.until(() => calls() >= 2, 'heard twice')
    await release()
    await release()
    await settle(kit, storage, ear)
    await releaseOther()
    await storage.feed.join(ROOM, marker)
    const before = calls()
    await settle(kit, storage, marker)
    assert.equal(calls(), before)
  })

  kit.open('feed: one may join again after leaving', async (storage) => {
    for (let round = 0; round < 3; round++) {
      const ear = new Ear()
      const release = await storage.feed.join(ROOM, ear)
      await settle(kit, storage, ear)
      await release()
      if (ear.interruptions === 0) assert.deepEqual(ear.heard, [`${round + 1} last`])
    }
  })
}

function volatile (kit: Kit): void {
  kit.open('feed: a broadcast reaches who listens to the channel and leaves no trace in the log', async (storage) => {
    const [ear, elsewhere] = [new Ear(), new Ear()]
    await storage.feed.join(ROOM, ear)
    await storage.feed.join('room', elsewhere)
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
    await storage.feed.broadcast(ROOM, [draft('x').body, bytes])
    await storage.feed.broadcast('nobody', [draft('y').body])
    await kit.until(() => ear.volatiles.length >= 2 || ear.interruptions > 0, 'the broadcast is heard')
    if (ear.interruptions === 0) assert.deepEqual(ear.volatiles, ['x', shown(bytes)])
    await settle(kit, storage, elsewhere, 'room')
    assert.deepEqual([elsewhere.volatiles, ear.batches], [[], []])
    assert.equal((await readAll(storage)).head, 0)
  })
}
