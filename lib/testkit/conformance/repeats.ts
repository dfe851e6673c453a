import assert from 'node:assert/strict'
import type { DraftKey, IdKey, StorageAdapter } from '../../../types/storage.js'
import { Ear, HALF, PAST, ROOM, TTL, append, by, draft, outcomesAre, readAll, texts, withId, type Kit } from './kit.js'

/** How repeats are recognised: by publisher, by id, by both, and without appending. */
export function repeats (kit: Kit): void {
  byPublisher(kit)
  byId(kit)
  byFreshId(kit)
  byBoth(kit)
  recognising(kit)
}

async function headIs (storage: StorageAdapter, head: number): Promise<void> {
  assert.equal((await readAll(storage)).head, head)
}

function byPublisher (kit: Kit): void {
  kit.open('repeats: a sequence up to the last one of its publisher is a duplicate; only the last has its position', async (storage) => {
    outcomesAre(await append(storage, ROOM, draft('a', by('p', 3)), draft('b', by('p', 7))), ['stored 1', 'stored 2'])
    outcomesAre(await append(storage, ROOM, draft('b', by('p', 7)), draft('a', by('p', 3)), draft('?', by('p', 5))),
      ['duplicate 2', 'duplicate null', 'duplicate null'])
    const { epoch, records } = await readAll(storage)
    assert.deepEqual(await append(storage, ROOM, draft('b', by('p', 7))), [{ status: 'duplicate', position: { epoch, offset: 2 } }])
    assert.deepEqual(texts(records), ['a', 'b'])
    outcomesAre(await append(storage, ROOM, draft('c', by('p', 100))), ['stored 3'])
  })

  kit.open('repeats: publishers and channels are apart', async (storage) => {
    await append(storage, ROOM, draft('a', by('p', 9)))
    outcomesAre(await append(storage, ROOM, draft('b', by('q', 1)), draft('c', by('P', 1))), ['stored 2', 'stored 3'])
    outcomesAre(await append(storage, 'room/2', draft('d', by('p', 1))), ['stored 1'])
  })

  kit.open('repeats: within one run too', async (storage) => {
    const run = [draft('a', by('p', 1)), draft('a', by('p', 1)), draft('b', by('p', 2)), draft('a', by('p', 1))]
    outcomesAre(await append(storage, ROOM, ...run), ['stored 1', 'duplicate 1', 'stored 2', 'duplicate null'])
    outcomesAre(await append(storage, ROOM, ...run), ['duplicate null', 'duplicate null', 'duplicate 2', 'duplicate null'])
  })

  kit.open('repeats: of copies sent at once, one is stored', async (storage) => {
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => append(storage, ROOM, draft('a', by('p', 1)))))
    outcomesAre(outcomes.flat().sort((a, b) => b.status.localeCompare(a.status)), ['stored 1', ...Array<string>(9).fill('duplicate 1')])
    await headIs(storage, 1)
  })

  kit.open('repeats: a sequence is remembered for its ttl at least, from the latest append of the publisher', async (storage) => {
    await append(storage, ROOM, draft('a', by('p', 1, TTL)))
    await kit.advance(HALF)
    outcomesAre(await append(storage, ROOM, draft('a', by('p', 1, TTL))), ['duplicate 1'])
    await kit.advance(PAST)
    outcomesAre(await append(storage, ROOM, draft('a', by('p', 1, TTL))), ['duplicate 1'])
  })

  kit.open('repeats: a shorter ttl does not shorten what was promised', async (storage) => {
    await append(storage, ROOM, draft('a', by('p', 1, 2 * TTL)))
    await append(storage, ROOM, draft('a', by('p', 1, 1)))
    await kit.advance(TTL)
    outcomesAre(await append(storage, ROOM, draft('a', by('p', 1))), ['duplicate 1'])
  })
}

function byId (kit: Kit): void {
  kit.open('repeats: an id is a duplicate with the same fingerprint and a conflict with another', async (storage) => {
    await append(storage, ROOM, 'zero', draft('a', withId('order', 'f1')))
    const { epoch } = await readAll(storage)
    const again = await append(storage, ROOM, draft('a', withId('order', 'f1')), draft('b', withId('order', 'f2')), draft('c', withId('Order', 'f1')))
    assert.deepEqual(again, [{ status: 'duplicate', position: { epoch, offset: 2 } }, { status: 'conflict' }, { status: 'stored', position: { epoch, offset: 3 } }])
    outcomesAre(await append(storage, ROOM, draft('b', withId('order', 'f2'))), ['conflict'])
    assert.deepEqual(texts((await readAll(storage)).records), ['zero', 'a', 'c'], 'neither a duplicate nor a conflict stores anything')
    outcomesAre(await append(storage, 'room/2', draft('b', withId('order', 'f2'))), ['stored 1'])
  })

  kit.open('repeats: ids and publishers of one name are apart', async (storage) => {
    await append(storage, ROOM, draft('a', by('x', 5)), draft('b', withId('x', 'f')))
    outcomesAre(await append(storage, ROOM, draft('a', by('x', 5)), draft('b', withId('x', 'f'))), ['duplicate 1', 'duplicate 2'])
  })

  kit.open('repeats: an id is remembered for its ttl at least, from its latest append, also beyond its record', async (storage) => {
    await append(storage, ROOM, draft('a', withId('i', 'f', TTL)))
    await storage.log.append(ROOM, [draft('b'), draft('c')], { limit: 1, bytes: 1000, ttl: TTL })
    await kit.advance(HALF)
    outcomesAre(await append(storage, ROOM, draft('a', withId('i', 'f', TTL))), ['duplicate 1'])
    await kit.advance(PAST)
    outcomesAre(await append(storage, ROOM, draft('a', withId('i', 'f', TTL)), draft('?', withId('i', 'other'))), ['duplicate 1', 'conflict'])
  })
}

function byFreshId (kit: Kit): void {
  const asked = (name: string, fingerprint = name, ttl?: number): DraftKey => withId(`GroupOfIds_-0000000${name}`, fingerprint, ttl)
  const fresh = (name: string, ttl?: number): DraftKey => ({ id: { ...asked(name, name, ttl).id as IdKey, fresh: true } })

  kit.open('repeats: fresh ids are remembered as any other, each by itself', async (storage) => {
    outcomesAre(await append(storage, ROOM, draft('a', fresh('a')), draft('b', fresh('b')), draft('none')), ['stored 1', 'stored 2', 'stored 3'])
    outcomesAre(await append(storage, ROOM, draft('c', fresh('c'))), ['stored 4'])
    outcomesAre(await append(storage, ROOM, draft('b', asked('b')), draft('c', asked('c')), draft('?', asked('a', 'other')), draft('d', asked('d'))), ['duplicate 2', 'duplicate 4', 'conflict', 'stored 5'])
    assert.equal((await storage.log.recognise(ROOM, asked('a')))?.status, 'duplicate')
    assert.equal((await storage.log.recognise(ROOM, asked('c', 'other')))?.status, 'conflict')
    assert.equal(await storage.log.recognise(ROOM, asked('e')), null)
    assert.deepEqual(texts((await readAll(storage)).records), ['a', 'b', 'none', 'c', 'd'])
  })

  kit.open('repeats: an append of fresh ids that comes twice is stored once', async (storage) => {
    const drafts = [draft('a', fresh('a')), draft('b', fresh('b'))]
    await append(storage, ROOM, ...drafts)
    await append(storage, ROOM, draft('c', fresh('c')))
    outcomesAre(await append(storage, ROOM, ...drafts), ['duplicate 1', 'duplicate 2'])
    outcomesAre(await append(storage, ROOM, draft('c', fresh('c'))), ['duplicate 3'])
  })

  kit.open('repeats: a fresh id whose append comes after it was asked for again is no longer new', async (storage) => {
    const ear = new Ear()
    await storage.feed.join(ROOM, ear)
    await append(storage, ROOM, draft('b', asked('b')), draft('?', asked('d', 'other')))
    const late = await append(storage, ROOM, draft('a', fresh('a')), draft('b', fresh('b')), draft('c', fresh('c')), draft('d', fresh('d')), draft('e'))
    outcomesAre(late, ['stored 3', 'duplicate 1', 'stored 4', 'conflict', 'stored 5'])
    outcomesAre(await append(storage, ROOM, draft('c', asked('c')), draft('a', asked('a')), draft('b', asked('b'))), ['duplicate 4', 'duplicate 3', 'duplicate 1'])
    assert.deepEqual(texts((await readAll(storage)).records), ['b', '?', 'a', 'c', 'e'])
    await kit.until(() => ear.knows(5), 'what is new is announced')
    if (ear.interruptions === 0) assert.deepEqual(ear.heard, ['1 b', '2 ?', '3 a', '4 c', '5 e'])
  })

  kit.open('repeats: a fresh id is remembered for its ttl at least, beyond its record, and longer once it came again', async (storage) => {
    await append(storage, ROOM, draft('a', fresh('a', TTL)))
    await append(storage, ROOM, draft('z', fresh('z', 1)))
    await storage.log.append(ROOM, [draft('b'), draft('c')], { limit: 1, bytes: 1000, ttl: TTL })
    await kit.advance(HALF)
    outcomesAre(await append(storage, ROOM, draft('a', asked('a', 'a', TTL))), ['duplicate 1'])
    await kit.advance(PAST)
    outcomesAre(await append(storage, ROOM, draft('a', asked('a', 'a', TTL))), ['duplicate 1'])
  })
}

function byBoth (kit: Kit): void {
  kit.open('repeats: the publisher is looked at before the id', async (storage) => {
    await append(storage, ROOM, draft('a', { ...by('p', 1), ...withId('i', 'f') }))
    outcomesAre(await append(storage, ROOM, draft('a', { ...by('p', 1), ...withId('i', 'other') })), ['duplicate 1'])
    outcomesAre(await append(storage, ROOM, draft('b', { ...by('p', 2), ...withId('i', 'other') })), ['conflict'])
  })

  kit.open('repeats: a duplicate by id moves the publisher on, a conflict does not', async (storage) => {
    await append(storage, ROOM, draft('a', withId('i', 'f')), 'b')
    outcomesAre(await append(storage, ROOM, draft('a', { ...by('p', 1), ...withId('i', 'f') })), ['duplicate 1'])
    outcomesAre(await append(storage, ROOM, draft('a', by('p', 1))), ['duplicate 1'])
    outcomesAre(await append(storage, ROOM, draft('c', { ...by('p', 2), ...withId('i', 'other') })), ['conflict'])
    outcomesAre(await append(storage, ROOM, draft('c', by('p', 2))), ['stored 3'])
  })

  kit.open('repeats: after a conflict nothing new of its publisher is stored in the same run', async (storage) => {
    await append(storage, ROOM, draft('first', withId('i', 'f')), draft('a', by('p', 1)))
    const taken = draft('?', { ...by('p', 2), ...withId('i', 'other') })
    const known = draft('first', { ...by('p', 4), ...withId('i', 'f') })
    const run = [taken, draft('c', by('p', 3)), draft('a', by('p', 1)), known, draft('e', { ...by('p', 5), ...withId('e', 'f') }), draft('x', by('q', 1)), draft('y', withId('y', 'f')), draft('z')]
    outcomesAre(await append(storage, ROOM, ...run), ['conflict', 'conflict', 'duplicate 2', 'conflict', 'conflict', 'stored 3', 'stored 4', 'stored 5'])
    outcomesAre(await append(storage, ROOM, taken), ['conflict']) // sent again it is no repeat
    assert.equal((await storage.log.recognise(ROOM, taken))?.status, 'conflict')
    assert.equal(await storage.log.recognise(ROOM, withId('e', 'f')), null, 'nor are their ids remembered')
    outcomesAre(await append(storage, ROOM, draft('b', by('p', 2)), draft('c', by('p', 3))), ['stored 6', 'stored 7'])
    assert.deepEqual(texts((await readAll(storage)).records), ['first', 'a', 'x', 'y', 'z', 'b', 'c'])
  })

  kit.open('repeats: in a mixed run only what is new takes offsets', async (storage) => {
    await append(storage, ROOM, draft('a', by('p', 1)), draft('b', withId('i', 'f')))
    const run = [draft('c', by('p', 2)), draft('a', by('p', 1)), draft('?', withId('i', 'g')), draft('d'), draft('b', withId('i', 'f')), draft('e', by('q', 1))]
    outcomesAre(await append(storage, ROOM, ...run), ['stored 3', 'duplicate null', 'conflict', 'stored 4', 'duplicate 2', 'stored 5'])
    assert.deepEqual(texts((await readAll(storage)).records), ['a', 'b', 'c', 'd', 'e'])
  })
}

function recognising (kit: Kit): void {
  kit.open('recognise: says what append would say', async (storage) => {
    assert.equal(await storage.log.recognise(ROOM, by('p', 1)), null)
    await append(storage, ROOM, draft('a', by('p', 1)), draft('b', { ...by('p', 2), ...withId('i', 'f') }))
    const keys = [by('p', 1), by('p', 2), by('p', 3), by('q', 1), withId('i', 'f'), withId('i', 'g'), withId('j', 'f'), { ...by('p', 2), ...withId('i', 'g') }, {}]
    const recognised = await Promise.all(keys.map((key) => storage.log.recognise(ROOM, key)))
    outcomesAre(recognised, ['duplicate null', 'duplicate 2', 'new', 'new', 'duplicate 2', 'conflict', 'new', 'duplicate 2', 'new'])
    const { epoch } = await readAll(storage)
    assert.deepEqual(recognised[1], { status: 'duplicate', position: { epoch, offset: 2 } })
  })

  kit.open('recognise: changes nothing', async (storage) => {
    await append(storage, ROOM, draft('a', withId('known', 'f')))
    await storage.log.recognise(ROOM, { ...by('p', 5), ...withId('i', 'f') })
    await storage.log.recognise(ROOM, { ...by('p', 9), ...withId('known', 'f') })
    outcomesAre(await append(storage, ROOM, draft('b', { ...by('p', 1), ...withId('i', 'g') })), ['stored 2'])
    await headIs(storage, 2)
  })
}
