import assert from 'node:assert/strict'
import type { HeldPage } from '../../../types/presence-store.js'
import type { StorageAdapter } from '../../../types/storage.js'
import { HALF, LONG, PAST, ROOM, TTL, readAll, shown, type Kit } from './kit.js'
import { entering, leaving, logOf, member, pages, roster } from './members.js'

/** The lists of members, and the leases under which nodes hold them. */
export function presenceLists (kit: Kit): void {
  listing(kit)
  leasing(kit)
}

function listing (kit: Kit): void {
  kit.open('presence: users are counted once each, who is anonymous not at all', async (storage) => {
    for (const [key, user] of [['a', 'u'], ['b', 'u'], ['c', 'v'], ['d', null]] as const) await storage.presence.enter(ROOM, member(key, 1, 1, { user }), entering)
    assert.deepEqual(await roster(storage), { members: ['a a', 'b b', 'c c', 'd d'], users: 2, connections: 4, offset: 4 })
    await storage.presence.leave(ROOM, member('a', 1, 2), leaving('leave'))
    await storage.presence.leave(ROOM, member('c', 1, 2), leaving('leave'))
    const { members, next, users, connections } = await storage.presence.list(ROOM, { after: null, limit: 0, bytes: 0 })
    assert.deepEqual({ members, next, users, connections }, { members: [], next: null, users: 1, connections: 2 }, 'limit 0 reads just the numbers')
  })

  kit.open('presence: many channels are counted at once, also of whom nobody knows', async (storage) => {
    for (const [channel, key] of [['a', 'm'], ['a', 'n'], ['A', 'm'], ['gone', 'm']] as const) await storage.presence.enter(channel, member(key, 1, 1), entering)
    await storage.presence.leave('gone', member('m', 1, 2), leaving('leave'))
    assert.deepEqual(await storage.presence.counts(['unknown', 'a', 'gone', 'A', 'a']), [0, 2, 0, 1, 2])
    assert.deepEqual(await storage.presence.counts([]), [])
  })

  kit.open('presence: a member is listed as it was entered', async (storage) => {
    const entered = member('m', 3, 4, { node: 'n', user: 'u', text: '\u0000ü' })
    await storage.presence.enter(ROOM, entered, entering)
    const { members } = await storage.presence.list(ROOM, { after: null, limit: 9, bytes: 99 })
    assert.deepEqual(members.map((each) => ({ ...each, body: [...each.body] })), [{ ...entered, body: [...entered.body] }])
  })

  kit.open('presence: pages are in the order of the keys, bounded by number and bytes, and the last one says so', async (storage) => {
    for (const key of ['d', 'a', 'C', 'b', 'e']) await storage.presence.enter(ROOM, member(key, 1, 1, { text: '12345678' }), entering)
    const all = ['C', 'a', 'b', 'd', 'e']
    assert.deepEqual(await pages(storage, 10), [all])
    assert.deepEqual(await pages(storage, 2), [all.slice(0, 2), all.slice(2, 4), all.slice(4)])
    assert.deepEqual(await pages(storage, 5), [all])
    assert.deepEqual(await pages(storage, 10, 16), [all.slice(0, 2), all.slice(2, 4), all.slice(4)])
    assert.deepEqual(await pages(storage, 10, 1), all.map((key) => [key]), 'at least one')
  })

  kit.open('presence: a page may begin after a key that nobody has', async (storage) => {
    for (const key of ['b', 'd', 'f']) await storage.presence.enter(ROOM, member(key, 1, 1), entering)
    await storage.presence.leave(ROOM, member('d', 1, 2), leaving('leave'))
    const after = async (key: string): Promise<string[]> => (await storage.presence.list(ROOM, { after: key, limit: 9, bytes: 99 })).members.map((each) => each.key)
    assert.deepEqual([await after('a'), await after('b'), await after('d'), await after('f'), await after('z')], [['b', 'f'], ['f'], ['f'], [], []])
    const { members, next, connections } = await storage.presence.list('nowhere', { after: null, limit: 9, bytes: 99 })
    assert.deepEqual({ members, next, connections }, { members: [], next: null, connections: 0 })
  })

  kit.open('presence: paging misses nobody who stays, whoever comes and goes', async (storage) => {
    for (let i = 0; i < 20; i++) await storage.presence.enter(ROOM, member(`k${i}`, 1, 1), entering)
    let turn = 0
    const found = await pages(storage, 3, 10_000_000, async ({ next }) => {
      await storage.presence.enter(ROOM, member(`new${turn}`, 1, 1), entering)
      await storage.presence.enter(ROOM, member(`k0${turn}`, 1, 1), entering)
      if (turn === 0) await storage.presence.leave(ROOM, member(next as string, 1, 2), leaving('leave'))
      turn++
    })
    const seen = new Set(found.flat())
    for (let i = 0; i < 20; i++) assert.ok(seen.has(`k${i}`), `k${i}`)
    assert.equal(seen.size, found.flat().length, 'nobody twice')
  })

  kit.open('presence: a page holds at its position', async (storage) => {
    for (let i = 0; i < 10; i++) {
      const [page] = await Promise.all([
        storage.presence.list(ROOM, { after: null, limit: 100, bytes: 10_000 }),
        storage.presence.enter(ROOM, member(`k${i}`, 1, 1), entering)
      ])
      assert.equal(page.position.offset, page.members.length, 'each event is one member')
      assert.equal(page.position.epoch, (await readAll(storage, logOf(ROOM))).epoch)
    }
  })
}

function leasing (kit: Kit): void {
  const keysOf = async (storage: StorageAdapter, limit = 100): Promise<string[]> =>
    (await storage.presence.orphans(limit)).map(({ channel, member }) => `${channel} ${member.key} ${member.node}`).sort()

  kit.open('presence: whose node has no lease are orphans', async (storage) => {
    const { presence } = storage
    assert.equal(await presence.renew('n1', LONG), false)
    assert.equal(await presence.renew('n1', LONG), true)
    await presence.renew('n2', LONG)
    await presence.enter(ROOM, member('a', 1, 1, { node: 'n1' }), entering)
    await presence.enter('other', member('a', 1, 1, { node: 'n1' }), entering)
    await presence.enter(ROOM, member('b', 1, 1, { node: 'n2' }), entering)
    assert.deepEqual(await keysOf(storage), [])
    await kit.advance(HALF)
    assert.equal(await presence.renew('n1', TTL), true)
    await kit.advance(HALF + HALF / 2)
    assert.deepEqual(await keysOf(storage), [], 'for its time from the latest renewal')
    await kit.advance(PAST)
    assert.deepEqual(await keysOf(storage), ['other a n1', `${ROOM} a n1`])
    assert.equal((await keysOf(storage, 1)).length, 1)
    const orphan = (await presence.orphans(9)).find(({ channel }) => channel === ROOM)
    assert.ok(orphan !== undefined)
    assert.equal(String.fromCharCode(...orphan.member.body), 'a', 'an orphan is told whole')
    assert.equal((await presence.leave(ROOM, orphan.member, leaving('timeout'))).left, true)
    assert.deepEqual(await keysOf(storage), ['other a n1'])
    assert.deepEqual((await roster(storage)).members, ['b b'])
  })

  kit.open('presence: a lease that has run out is told, and what was entered anew no longer leaves as an orphan', async (storage) => {
    const { presence } = storage
    await presence.renew('n1', TTL)
    await presence.enter(ROOM, member('a', 1, 1, { node: 'n1' }), entering)
    await kit.advance(HALF + PAST)
    const [orphan] = await presence.orphans(9)
    assert.ok(orphan !== undefined)
    assert.equal(await presence.renew('n1', LONG), false)
    assert.deepEqual(await keysOf(storage), [])
    assert.equal((await presence.enter(ROOM, member('a', 1, 2, { node: 'n1' }), entering)).change, 'none')
    assert.equal((await presence.leave(ROOM, orphan.member, leaving('timeout'))).left, false)
    assert.deepEqual((await roster(storage)).members, ['a a'])
  })

  kit.open('presence: what a node holds is told, whole, page by page', async (storage) => {
    const { presence } = storage
    await presence.renew('n1', LONG)
    const expected = ['other', ROOM].flatMap((channel) => ['a', 'b', 'c', 'd', 'e'].map((key) => `${channel} ${key} 1 7 ${key}`))
    for (const channel of [ROOM, 'other']) {
      for (const key of ['a', 'b', 'c', 'd', 'e']) await presence.enter(channel, member(key, 1, 7, { node: 'n1' }), entering)
      await presence.enter(channel, member('z', 1, 1, { node: 'n2' }), entering)
    }
    for (const limit of [1, 2, 100]) {
      const found = new Set<string>()
      for (let after: string | null = null, asked = 0; ; asked++) {
        const page: HeldPage = await presence.held('n1', { after, limit })
        for (const { channel, member: { key, generation, number, body } } of page.members) found.add(`${channel} ${key} ${generation} ${number} ${shown(body)}`)
        if (page.next === null) break
        assert.ok(asked < 100, 'it comes to an end')
        after = page.next
      }
      assert.deepEqual([...found].sort(), expected)
    }
    assert.deepEqual(await presence.held('n3', { after: null, limit: 9 }), { members: [], next: null })
    await presence.enter(ROOM, member('a', 2, 1, { node: 'n2' }), entering)
    assert.equal((await presence.held('n1', { after: null, limit: 100 })).members.length, 9, 'no longer who has moved')
  })

  kit.open('presence: a member is its latest node\'s', async (storage) => {
    const { presence } = storage
    await presence.renew('n2', LONG)
    await presence.enter(ROOM, member('a', 1, 1, { node: 'n1' }), entering)
    assert.deepEqual(await keysOf(storage), [`${ROOM} a n1`])
    await presence.enter(ROOM, member('a', 2, 1, { node: 'n2' }), entering)
    assert.deepEqual(await keysOf(storage), [])
    await presence.leave(ROOM, member('a', 2, 2), leaving('leave'))
    assert.deepEqual(await keysOf(storage), [])
  })
}
