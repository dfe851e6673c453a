import assert from 'node:assert/strict'
import { Ear, HALF, LONG, PAST, ROOM, ROOMY, TTL, readAll, rejectsWith, type Kit } from './kit.js'
import { entering, events, leaving, logOf, member, pages, roster } from './members.js'

/** Who is in a channel: entering, leaving, lists, leases. */
export function presence (kit: Kit): void {
  changing(kit)
  fencing(kit)
  remembering(kit)
  listing(kit)
  leasing(kit)
}

function changing (kit: Kit): void {
  kit.open('presence: entering says which change it was, and the log has its event', async (storage) => {
    const changes: string[] = []
    for (const [number, text] of [[1, 'a'], [2, 'a'], [3, 'b']] as const) {
      const { change, position } = await storage.presence.enter(ROOM, member('m', 1, number, { text }), entering)
      const { epoch, head } = await readAll(storage, logOf(ROOM))
      assert.deepEqual(position, { epoch, offset: head }, 'the newest position afterwards')
      changes.push(change)
    }
    assert.deepEqual(changes, ['join', 'none', 'update'])
    assert.deepEqual(await events(storage), ['join', 'update'])
    assert.deepEqual(await roster(storage), { members: ['m b'], users: 0, connections: 1 })
  })

  kit.open('presence: leaving takes the member out and has its event in the log; of whom is not there nothing is said', async (storage) => {
    await storage.presence.enter(ROOM, member('m', 1, 1), entering)
    await storage.presence.enter(ROOM, member('n', 1, 1), entering)
    assert.equal((await storage.presence.leave(ROOM, member('m', 1, 2), leaving('leave'))).left, true)
    assert.equal((await storage.presence.leave(ROOM, member('m', 1, 3), leaving('leave'))).left, false)
    const { left, position } = await storage.presence.leave(ROOM, member('n', 1, 1), leaving('timeout'))
    const { epoch, head } = await readAll(storage, logOf(ROOM))
    assert.deepEqual([left, position], [true, { epoch, offset: head }])
    assert.deepEqual(await events(storage), ['join', 'join', 'leave', 'timeout'])
    assert.deepEqual(await roster(storage), { members: [], users: 0, connections: 0 })
  })

  kit.open('presence: events are announced on the feed of the presence log, and the list is changed by then', async (storage) => {
    const [ear, channel] = [new Ear(), new Ear()]
    await storage.feed.join(logOf(ROOM), ear)
    await storage.feed.join(ROOM, channel)
    await storage.presence.enter(ROOM, member('m', 1, 1), entering)
    await storage.presence.leave(ROOM, member('m', 1, 2), leaving('leave'))
    await kit.until(() => ear.knows(2), 'the events are announced')
    if (ear.interruptions === 0) assert.deepEqual(ear.heard, ['1 join', '2 leave'])
    assert.deepEqual([channel.batches, (await readAll(storage)).head], [[], 0], 'the channel itself hears nothing')
  })

  kit.open('presence: of one channel, and of one key, leaves the others alone', async (storage) => {
    for (const channel of ['a', 'A', 'a/b']) await storage.presence.enter(channel, member('m', 1, 1, { text: channel }), entering)
    await storage.presence.enter('a', member('M', 1, 1), entering)
    await storage.presence.leave('a', member('m', 1, 2), leaving('leave'))
    assert.deepEqual((await roster(storage, 'a')).members, ['M M'])
    assert.deepEqual((await roster(storage, 'A')).members, ['m A'])
    assert.deepEqual((await roster(storage, 'a/b')).members, ['m a/b'])
    assert.deepEqual(await events(storage, 'A'), ['join'])
  })

  kit.open('presence: each change says the retention of its log anew', async (storage) => {
    for (const key of ['a', 'b', 'c']) await storage.presence.enter(ROOM, member(key, 1, 1), { ...entering, retention: { ...ROOMY, limit: 2 } })
    assert.deepEqual(await events(storage), ['join', 'join'])
    await storage.presence.leave(ROOM, member('a', 1, 2), leaving('leave', { retention: { ...ROOMY, limit: 1 } }))
    assert.deepEqual(await events(storage), ['leave'])
  })

  kit.open('presence: what cannot be kept is refused and changes nothing', async (storage) => {
    await storage.presence.enter(ROOM, member('m', 1, 1), entering)
    await rejectsWith('PUSH_STORAGE_FULL', 'an event larger than its log', () => storage.presence.enter(ROOM, member('n', 1, 1), { ...entering, retention: { ...ROOMY, bytes: 2 } }))
    await rejectsWith('PUSH_STORAGE_FULL', 'the same on leaving', () => storage.presence.leave(ROOM, member('m', 1, 2), leaving('leave', { retention: { ...ROOMY, bytes: 2 } })))
    assert.deepEqual((await roster(storage)).members, ['m m'])
    assert.deepEqual(await events(storage), ['join'])
  })
}

function fencing (kit: Kit): void {
  kit.open('presence: a later one holds the member: what an earlier one still does comes to nothing', async (storage) => {
    await storage.presence.enter(ROOM, member('m', 1, 5, { text: 'old' }), entering)
    assert.equal((await storage.presence.enter(ROOM, member('m', 2, 1, { text: 'old' }), entering)).change, 'none')
    assert.equal((await storage.presence.leave(ROOM, member('m', 1, 6), leaving('timeout'))).left, false)
    assert.equal((await storage.presence.enter(ROOM, member('m', 1, 7, { text: 'late' }), entering)).change, 'fenced')
    assert.equal((await storage.presence.enter(ROOM, member('m', 2, 0, { text: 'late' }), entering)).change, 'fenced')
    assert.equal((await storage.presence.leave(ROOM, member('m', 2, 0), leaving('timeout'))).left, false)
    assert.deepEqual((await roster(storage)).members, ['m old'])
    assert.deepEqual(await events(storage), ['join'])
    assert.equal((await storage.presence.leave(ROOM, member('m', 2, 1), leaving('leave'))).left, true, 'who holds it may')
  })

  kit.open('presence: an enter that comes after the leave of a later one is fenced, also where that one found nobody', async (storage) => {
    await storage.presence.leave(ROOM, member('m', 1, 2), leaving('leave'))
    assert.equal((await storage.presence.enter(ROOM, member('m', 1, 1), entering)).change, 'fenced')
    assert.equal((await storage.presence.enter(ROOM, member('m', 1, 3), entering)).change, 'join')
    await storage.presence.leave(ROOM, member('m', 2, 1), leaving('leave'))
    assert.equal((await storage.presence.enter(ROOM, member('m', 1, 9), entering)).change, 'fenced')
    await storage.presence.leave(ROOM, member('m', 1, 9), leaving('leave'))
    assert.equal((await storage.presence.enter(ROOM, member('m', 2, 1), entering)).change, 'fenced', 'an earlier leave changes nothing')
    assert.deepEqual((await roster(storage)).members, [])
  })

  kit.open('presence: of many that enter at once there is one member, and one event', async (storage) => {
    const entered = await Promise.all(Array.from({ length: 20 }, (_, i) => storage.presence.enter(ROOM, member('m', i + 1, 1), entering)))
    assert.equal(entered.filter(({ change }) => change === 'join').length, 1)
    assert.equal((await storage.presence.leave(ROOM, member('m', 19, 9), leaving('leave'))).left, false, 'the latest holds it')
    assert.deepEqual([await events(storage), (await roster(storage)).connections], [['join'], 1])
  })
}

function remembering (kit: Kit): void {
  kit.open('presence: who left with timeout comes back, as long as that is remembered; who left joins', async (storage) => {
    const { presence } = storage
    const enter = async (number: number): Promise<string> => (await presence.enter(ROOM, member('m', 1, number), entering)).change
    await enter(1)
    await presence.leave(ROOM, member('m', 1, 2), leaving('timeout', { remember: TTL }))
    await kit.advance(HALF)
    assert.equal(await enter(3), 'back')
    await presence.leave(ROOM, member('m', 1, 4), leaving('leave'))
    assert.equal(await enter(5), 'join')
    await presence.leave(ROOM, member('m', 1, 6), leaving('timeout', { remember: TTL }))
    await kit.advance(HALF + PAST)
    assert.equal(await enter(5), 'join', 'nor is anything fenced any more')
    assert.deepEqual(await events(storage), ['join', 'timeout', 'back', 'leave', 'join', 'timeout', 'join'])
  })

  kit.open('presence: when the last member left is known for as long as was said', async (storage) => {
    const { presence } = storage
    assert.equal(await presence.lastSeen(ROOM), null, 'there never were any')
    for (const key of ['m', 'n']) await presence.enter(ROOM, member(key, 1, 1), entering)
    await presence.leave(ROOM, member('m', 1, 2), leaving('leave', { seen: TTL }))
    assert.equal(await presence.lastSeen(ROOM), null, 'one is left')
    await presence.leave(ROOM, member('n', 1, 2), leaving('timeout', { seen: TTL }))
    const first = await presence.lastSeen(ROOM)
    assert.ok(first !== null && Number.isFinite(first) && first > 1e12)
    await kit.advance(HALF)
    assert.equal(await presence.lastSeen(ROOM), first)
    await presence.enter(ROOM, member('m', 1, 3), entering)
    assert.equal(await presence.lastSeen(ROOM), null, 'there is one again')
    await presence.leave(ROOM, member('m', 1, 4), leaving('leave', { seen: TTL }))
    assert.ok(await presence.lastSeen(ROOM) as number > first)
    await kit.advance(HALF + PAST)
    assert.equal(await presence.lastSeen(ROOM), null)
    await presence.enter(ROOM, member('m', 1, 5), entering)
    await presence.leave(ROOM, member('m', 1, 6), leaving('leave', { seen: 0 }))
    assert.equal(await presence.lastSeen(ROOM), null)
  })
}

function listing (kit: Kit): void {
  kit.open('presence: users are counted once each, who is anonymous not at all', async (storage) => {
    for (const [key, user] of [['a', 'u'], ['b', 'u'], ['c', 'v'], ['d', null]] as const) await storage.presence.enter(ROOM, member(key, 1, 1, { user }), entering)
    assert.deepEqual(await roster(storage), { members: ['a a', 'b b', 'c c', 'd d'], users: 2, connections: 4 })
    await storage.presence.leave(ROOM, member('a', 1, 2), leaving('leave'))
    await storage.presence.leave(ROOM, member('c', 1, 2), leaving('leave'))
    const { members, next, users, connections } = await storage.presence.list(ROOM, { after: null, limit: 0, bytes: 0 })
    assert.deepEqual({ members, next, users, connections }, { members: [], next: null, users: 1, connections: 2 }, 'limit 0 reads just the numbers')
  })

  kit.open('presence: a member is listed as it was entered', async (storage) => {
    const entered = member('m', 3, 4, { node: 'n', user: 'u', text: '\u0000ü' })
    await storage.presence.enter(ROOM, entered, entering)
    const { members } = await storage.presence.list(ROOM, { after: null, limit: 9, bytes: 99 })
    assert.deepEqual(members.map((each) => ({ ...each, body: [...each.body] })), [{ ...entered, body: [...entered.body] }])
  })

  kit.open('presence: pages are in the order of the keys, bounded by number and bytes, and the last one says so', async (storage) => {
    for (const key of ['d', 'a', 'C', 'b', 'e']) await storage.presence.enter(ROOM, member(key, 1, 1, { text: '12345678' }), entering)
    const all = (await pages(storage, 10)).flat()
    assert.deepEqual([...all].sort(), ['C', 'a', 'b', 'd', 'e'])
    assert.deepEqual(await pages(storage, 2), [all.slice(0, 2), all.slice(2, 4), all.slice(4)])
    assert.deepEqual(await pages(storage, 5), [all])
    assert.deepEqual(await pages(storage, 10, 16), [all.slice(0, 2), all.slice(2, 4), all.slice(4)])
    assert.deepEqual(await pages(storage, 10, 1), all.map((key) => [key]), 'at least one')
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
  const keysOf = async (storage: Parameters<typeof roster>[0], limit = 100): Promise<string[]> =>
    (await storage.presence.orphans(limit)).map(({ channel, member }) => `${channel} ${member.key} ${member.node}`).sort()

  kit.open('presence: whose node has no lease are orphans', async (storage) => {
    const { presence } = storage
    assert.equal(await presence.renew('n1', TTL), false)
    assert.equal(await presence.renew('n1', TTL), true)
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
