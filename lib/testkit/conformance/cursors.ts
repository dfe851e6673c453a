import assert from 'node:assert/strict'
import type { CursorCommit, StorageAdapter } from '../../../types/storage.js'
import { HALF, LONG, PAST, ROOM, TTL, type Kit } from './kit.js'

const S = 'session-1'

/** A commit written short: [generation, number] of a session moves its cursor to an offset of an epoch. */
function commit (generation: number, number: number, epoch: string, offset: number, ttl = LONG, session = S): CursorCommit {
  return { session, generation, number, position: { epoch, offset }, ttl }
}

async function cursorIs (storage: StorageAdapter, expected: string | null, session = S, channel = ROOM): Promise<void> {
  const position = await storage.cursors.load(channel, session)
  assert.equal(position && `${position.epoch} ${position.offset}`, expected)
}

/** Where sessions stand: forward only, fenced, expiring. */
export function cursors (kit: Kit): void {
  moving(kit)
  fencing(kit)
  ending(kit)
  reaching(kit)
}

function moving (kit: Kit): void {
  kit.open('cursors: there is none until one is committed', async (storage) => {
    await cursorIs(storage, null)
    assert.deepEqual(await storage.cursors.commit(ROOM, [commit(1, 1, 'e', 5)]), ['committed'])
    assert.deepEqual(await storage.cursors.load(ROOM, S), { epoch: 'e', offset: 5 })
    assert.deepEqual(await storage.cursors.commit(ROOM, []), [])
  })

  kit.open('cursors: within an epoch the greater offset stays, whichever write is later', async (storage) => {
    await storage.cursors.commit(ROOM, [commit(1, 1, 'e', 5)])
    assert.deepEqual(await storage.cursors.commit(ROOM, [commit(1, 2, 'e', 3)]), ['committed'])
    await cursorIs(storage, 'e 5')
    await storage.cursors.commit(ROOM, [commit(2, 1, 'e', 4)])
    await cursorIs(storage, 'e 5')
    await storage.cursors.commit(ROOM, [commit(2, 3, 'e', 10)])
    await storage.cursors.commit(ROOM, [commit(2, 2, 'e', 9)])
    await cursorIs(storage, 'e 10')
    await storage.cursors.commit(ROOM, [commit(2, 2, 'e', 11)])
    await cursorIs(storage, 'e 11')
  })

  kit.open('cursors: across epochs the later (generation, number) stays', async (storage) => {
    await storage.cursors.commit(ROOM, [commit(1, 5, 'old', 90)])
    await storage.cursors.commit(ROOM, [commit(1, 4, 'new', 1)])
    await cursorIs(storage, 'old 90')
    await storage.cursors.commit(ROOM, [commit(1, 6, 'new', 1)])
    await cursorIs(storage, 'new 1')
    await storage.cursors.commit(ROOM, [commit(1, 5, 'old', 95)])
    await cursorIs(storage, 'new 1')
    await storage.cursors.commit(ROOM, [commit(2, 1, 'third', 0)])
    await cursorIs(storage, 'third 0')
  })

  kit.open('cursors: a write that moved nothing still counts as the latest', async (storage) => {
    await storage.cursors.commit(ROOM, [commit(1, 1, 'e', 5)])
    await storage.cursors.commit(ROOM, [commit(1, 9, 'e', 2)])
    await storage.cursors.commit(ROOM, [commit(1, 8, 'other', 7)])
    await cursorIs(storage, 'e 5')
  })

  kit.open('cursors: many sessions in one commit, each by itself; sessions and channels are apart', async (storage) => {
    await storage.cursors.commit(ROOM, [commit(5, 1, 'e', 5, LONG, 'a')])
    const run = [commit(4, 1, 'e', 9, LONG, 'a'), commit(1, 1, 'e', 7, LONG, 'b'), commit(1, 2, 'e', 8, LONG, 'b'), commit(1, 1, 'e', 1, LONG, 'A')]
    assert.deepEqual(await storage.cursors.commit(ROOM, run), ['fenced', 'committed', 'committed', 'committed'])
    await cursorIs(storage, 'e 5', 'a')
    await cursorIs(storage, 'e 8', 'b')
    await cursorIs(storage, 'e 1', 'A')
    await cursorIs(storage, null, 'a', 'room')
    await cursorIs(storage, null, 'c')
  })
}

function fencing (kit: Kit): void {
  kit.open('cursors: what a later generation wrote fences earlier ones, also where it moved nothing', async (storage) => {
    await storage.cursors.commit(ROOM, [commit(3, 1, 'e', 5)])
    assert.deepEqual(await storage.cursors.commit(ROOM, [commit(2, 99, 'e', 50)]), ['fenced'])
    assert.deepEqual(await storage.cursors.commit(ROOM, [commit(2, 99, 'other', 50)]), ['fenced'])
    await cursorIs(storage, 'e 5')
    assert.deepEqual(await storage.cursors.commit(ROOM, [commit(7, 1, 'e', 1)]), ['committed'])
    assert.deepEqual(await storage.cursors.commit(ROOM, [commit(6, 1, 'e', 60)]), ['fenced'])
    await cursorIs(storage, 'e 5')
  })

  kit.open('cursors: a fenced commit does not prolong the cursor', async (storage) => {
    await storage.cursors.commit(ROOM, [commit(3, 1, 'e', 5, TTL)])
    await kit.advance(HALF)
    await storage.cursors.commit(ROOM, [commit(2, 1, 'e', 6, LONG)])
    await kit.advance(PAST)
    await cursorIs(storage, null)
  })

  kit.open('cursors: generations compare as numbers, however large', async (storage) => {
    const large = Number.MAX_SAFE_INTEGER - 1
    await storage.cursors.commit(ROOM, [commit(10, 1, 'e', 1), commit(large, 1, 'e', 1, LONG, 'b')])
    assert.deepEqual(await storage.cursors.commit(ROOM, [commit(9, 1, 'e', 2), commit(large - 1, 1, 'e', 2, LONG, 'b'), commit(large + 1, 1, 'e', 3, LONG, 'b')]),
      ['fenced', 'fenced', 'committed'])
    await storage.cursors.commit(ROOM, [commit(10, 2, 'e', 9), commit(10, 3, 'e', 10), commit(10, 4, 'e', 2)])
    await cursorIs(storage, 'e 10')
  })
}

function ending (kit: Kit): void {
  kit.open('cursors: remove forgets, unless a later generation wrote it', async (storage) => {
    await storage.cursors.commit(ROOM, [commit(3, 1, 'e', 5), commit(3, 1, 'e', 6, LONG, 'b'), commit(3, 1, 'e', 7, LONG, 'c')])
    await storage.cursors.remove(ROOM, S, 2)
    await cursorIs(storage, 'e 5')
    await storage.cursors.remove(ROOM, S, 3)
    await cursorIs(storage, null)
    await storage.cursors.remove(ROOM, 'b', 4)
    await cursorIs(storage, null, 'b')
    await cursorIs(storage, 'e 7', 'c')
    await storage.cursors.remove(ROOM, 'nobody', 1)
    await storage.cursors.remove('nowhere', S, 1)
  })

  kit.open('cursors: each lives for its ttl from its latest commit', async (storage) => {
    await storage.cursors.commit(ROOM, [commit(1, 1, 'e', 5, TTL), commit(1, 1, 'e', 5, 3 * TTL, 'b')])
    await kit.advance(HALF)
    await storage.cursors.commit(ROOM, [commit(1, 2, 'e', 4, TTL)])
    await kit.advance(HALF + HALF / 2)
    await cursorIs(storage, 'e 5')
    await kit.advance(PAST)
    await cursorIs(storage, null)
    await cursorIs(storage, 'e 5', 'b')
    assert.deepEqual(await storage.cursors.commit(ROOM, [commit(1, 3, 'e', 1, TTL)]), ['committed'])
    await cursorIs(storage, 'e 1')
  })

  kit.open('cursors: live with the channel, whatever becomes of its records', async (storage) => {
    const { epoch } = await storage.log.read(ROOM, { from: 1, limit: 0, bytes: 0 })
    await storage.cursors.commit(ROOM, [commit(1, 1, epoch, 0)])
    await storage.log.append(ROOM, [{ body: new Uint8Array(1), qos: 1 }], { limit: 1, bytes: 1, ttl: TTL })
    await kit.advance(2 * TTL)
    await cursorIs(storage, `${epoch} 0`)
    assert.equal((await storage.log.read(ROOM, { from: 1, limit: 0, bytes: 0 })).epoch, epoch)
  })
}

function reaching (kit: Kit): void {
  kit.open('cursors: who stands at or beyond a position of its epoch, in the order of names', async (storage) => {
    const at = (offset: number, session: string, epoch = 'e', ttl = LONG) => commit(1, 1, epoch, offset, ttl, session)
    await storage.cursors.commit(ROOM, [at(5, 'b'), at(4, 'c'), at(6, 'a'), at(9, 'd', 'other'), at(7, 'B'), at(8, 'gone', 'e', TTL)])
    await storage.cursors.commit('elsewhere', [at(9, 'z')])
    await kit.advance(PAST + TTL)
    const reached = (offset: number, query: object = {}) => storage.cursors.reached(ROOM, { position: { epoch: 'e', offset }, limit: 10, ...query })
    assert.deepEqual(await reached(5), ['B', 'a', 'b'])
    assert.deepEqual(await reached(6), ['B', 'a'])
    assert.deepEqual(await reached(10), [])
    assert.deepEqual(await reached(1, { limit: 2 }), ['B', 'a'])
    assert.deepEqual(await reached(1, { limit: 2, after: 'a' }), ['b', 'c'])
    assert.deepEqual(await reached(1, { after: 'c' }), [])
    assert.deepEqual(await storage.cursors.reached('nowhere', { position: { epoch: 'e', offset: 1 }, limit: 1 }), [])
  })

  kit.open('cursors: who reached a position is paged through without a hole or a repeat, also where many stand at one offset', async (storage) => {
    const names = Array.from({ length: 40 }, (_, i) => ['a', 'A', 'a-', 'a_', 'b'][i % 5] + `${i}`)
    await storage.cursors.commit(ROOM, names.map((name) => commit(1, 1, 'e', 7, LONG, name)))
    await storage.cursors.commit(ROOM, names.map((name) => commit(1, 1, 'e', 7, TTL, `${name}-gone`)))
    await storage.cursors.commit(ROOM, names.map((name) => commit(1, 1, 'e', 6, LONG, `${name}+`)))
    await kit.advance(TTL + HALF)
    const found: string[] = []
    for (let after: string | undefined; ;) {
      const page: readonly string[] = await storage.cursors.reached(ROOM, { position: { epoch: 'e', offset: 7 }, limit: 7, ...after !== undefined && { after } })
      found.push(...page)
      after = page.at(-1)
      if (page.length < 7 || found.length > names.length) break
    }
    assert.deepEqual(found, [...names].sort(), 'every page but the last is full, whatever has expired or stands elsewhere')
  })

  kit.open('cursors: offsets compare as numbers, however large, and who has moved on, or away, is found where it stands', async (storage) => {
    const large = Number.MAX_SAFE_INTEGER - 1
    const reached = (offset: number, epoch = 'e') => storage.cursors.reached(ROOM, { position: { epoch, offset }, limit: 10 })
    await storage.cursors.commit(ROOM, [commit(1, 1, 'e', 9, LONG, 'a'), commit(1, 1, 'e', 10, LONG, 'b'), commit(1, 1, 'e', large, LONG, 'c')])
    assert.deepEqual([await reached(10), await reached(large), await reached(large + 1)], [['b', 'c'], ['c'], []])
    await storage.cursors.commit(ROOM, [commit(1, 2, 'e', 11, LONG, 'a'), commit(1, 2, 'other', 50, LONG, 'b')])
    await storage.cursors.remove(ROOM, 'c', 1)
    assert.deepEqual([await reached(10), await reached(50, 'other')], [['a'], ['b']])
  })
}
