import assert from 'node:assert/strict'
import type { Page, StorageAdapter } from '../../../types/storage.js'
import { ALL, HALF, LONG, PAST, ROOM, ROOMY, TTL, append, by, draft, offsetOf, readAll, texts, type Kit } from './kit.js'

/** What a channel keeps, and messages whose own time runs out. */
export function retention (kit: Kit): void {
  byCountAndSize(kit)
  byAge(kit)
  messageTtl(kit)
}

function keeps (page: Page, first: number, expected: Array<string | null>): void {
  assert.deepEqual([page.first, page.from, texts(page.records), page.head], [first, first, expected, first + expected.length - 1])
}

async function store (storage: StorageAdapter, kept: Partial<typeof ROOMY>, ...items: string[]): Promise<Page> {
  await storage.log.append(ROOM, items.map((text) => draft(text)), { ...ROOMY, ...kept })
  return await readAll(storage)
}

function byCountAndSize (kit: Kit): void {
  kit.open('retention: keeps the newest `limit` records, and `first` moves', async (storage) => {
    keeps(await store(storage, { limit: 3 }, 'a', 'b'), 1, ['a', 'b'])
    keeps(await store(storage, { limit: 3 }, 'c', 'd'), 2, ['b', 'c', 'd'])
    keeps(await store(storage, { limit: 3 }, 'e', 'f', 'g', 'h', 'i'), 7, ['g', 'h', 'i'])
  })

  kit.open('retention: keeps at most `bytes` of bodies, and as many as fit', async (storage) => {
    keeps(await store(storage, { bytes: 10 }, 'aaaa', 'bbbb'), 1, ['aaaa', 'bbbb'])
    keeps(await store(storage, { bytes: 10 }, 'cc'), 1, ['aaaa', 'bbbb', 'cc'])
    keeps(await store(storage, { bytes: 10 }, 'd'), 2, ['bbbb', 'cc', 'd'])
    keeps(await store(storage, { bytes: 10 }, 'eeeeeeeeee'), 5, ['eeeeeeeeee'])
  })

  kit.open('retention: each append says it anew, one that stores nothing too', async (storage) => {
    await append(storage, ROOM, draft('a'), draft('b'), draft('c', by('p', 1)))
    keeps(await store(storage, { limit: 2 }, 'd'), 3, ['c', 'd'])
    keeps(await store(storage, { limit: 3 }, 'e'), 3, ['c', 'd', 'e'])
    await storage.log.append(ROOM, [draft('c', by('p', 1))], { ...ROOMY, limit: 1 })
    keeps(await readAll(storage), 5, ['e'])
  })

  kit.open('retention: of appends at once, each says its own', async (storage) => {
    const [, [outcome]] = await Promise.all([append(storage, ROOM, 'a'), storage.log.append(ROOM, [draft('b')], { ...ROOMY, limit: 1 })])
    const isLater = offsetOf(outcome) === 2
    keeps(await readAll(storage), isLater ? 2 : 1, isLater ? ['b'] : ['b', 'a'])
  })

  kit.open('retention: of one channel leaves the others alone', async (storage) => {
    await append(storage, 'room', 'a', 'b')
    await store(storage, { limit: 1 }, 'c', 'd')
    assert.deepEqual(texts((await readAll(storage, 'room')).records), ['a', 'b'])
  })
}

function byAge (kit: Kit): void {
  kit.open('retention: keeps no record for longer than `ttl`; numbers and epoch go on', async (storage) => {
    const before = await store(storage, { ttl: TTL }, 'a')
    await kit.advance(HALF)
    keeps(await store(storage, { ttl: TTL }, 'b'), 1, ['a', 'b'])
    await kit.advance(PAST)
    keeps(await readAll(storage), 2, ['b'])
    await kit.advance(PAST)
    const empty = await readAll(storage)
    assert.deepEqual([empty.first, empty.head, empty.records.length, empty.epoch], [3, 2, 0, before.epoch], 'first is head + 1 where nothing is kept')
    keeps(await store(storage, { ttl: TTL }, 'c'), 3, ['c'])
    assert.equal((await readAll(storage)).epoch, before.epoch)
  })

  kit.open('retention: limit 0 tells `first` after time has passed', async (storage) => {
    await store(storage, { ttl: TTL }, 'a', 'b')
    await kit.advance(TTL + HALF)
    const { first, head } = await storage.log.read(ROOM, { ...ALL, limit: 0 })
    assert.deepEqual([first, head], [3, 2])
  })
}

function messageTtl (kit: Kit): void {
  kit.open('message ttl: the slot stays and the body goes, in its time and not before', async (storage) => {
    await append(storage, ROOM, draft('a', { qos: 2, ttl: TTL }), draft('b'), draft('c', { qos: 0, ttl: 2 * TTL }), draft('d', { ttl: LONG }))
    await kit.advance(HALF)
    keeps(await readAll(storage), 1, ['a', 'b', 'c', 'd'])
    await kit.advance(PAST)
    keeps(await readAll(storage), 1, [null, 'b', 'c', 'd'])
    await kit.advance(TTL)
    const page = await readAll(storage)
    keeps(page, 1, [null, 'b', null, 'd'])
    assert.deepEqual(page.records.map(({ qos }) => qos), [2, 1, 0, 1])
  })

  kit.open('message ttl: a page of such slots has them all, and the next record has the next offset', async (storage) => {
    await append(storage, ROOM, ...Array.from({ length: 5 }, (_, i) => draft(`m${i}`, { ttl: TTL })))
    await kit.advance(TTL + HALF)
    const page = await storage.log.read(ROOM, { from: 2, limit: 3, bytes: 0 })
    assert.deepEqual([page.from, page.first], [2, 1])
    assert.ok(page.records.length >= 1 && page.records.every(({ body }) => body === null))
    await append(storage, ROOM, 'next')
    keeps(await readAll(storage), 1, [null, null, null, null, null, 'next'])
  })

  kit.open('message ttl: a page that was read does not change afterwards', async (storage) => {
    await append(storage, ROOM, draft('a', { ttl: TTL }))
    const { records } = await readAll(storage)
    await kit.advance(TTL + HALF)
    await readAll(storage)
    assert.deepEqual(texts(records), ['a'])
  })
}
