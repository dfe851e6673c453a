import assert from 'node:assert/strict'
import { Ear, HALF, LONG, PAST, ROOM, ROOMY, TTL, readAll, rejectsWith, type Kit } from './kit.js'
import { entering, events, leaving, logOf, member, roster } from './members.js'

/** Who is in a channel: entering and leaving, who holds a member, what is remembered. */
export function presence (kit: Kit): void {
  changing(kit)
  fencing(kit)
  remembering(kit)
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
    assert.deepEqual(await roster(storage), { members: ['m b'], users: 0, connections: 1, offset: 2 })
  })

  kit.open('presence: leaving takes the member out and has its event in the log; of whom is not there nothing is said', async (storage) => {
    await storage.presence.enter(ROOM, member('m', 1, 1), entering)
    await storage.presence.enter(ROOM, member('n', 1, 1), entering)
    assert.equal((await storage.presence.leave(ROOM, member('m', 1, 2), leaving('leave'))).left, true)
    assert.equal((await storage.presence.leave(ROOM, member('m', 1, 3), leaving('leave'))).left, false)
    assert.equal((await storage.presence.leave(ROOM, member('n', 1, 1), leaving('timeout'))).left, true)
    assert.deepEqual(await events(storage), ['join', 'join', 'leave', 'timeout'])
    assert.deepEqual(await roster(storage), { members: [], users: 0, connections: 0, offset: 4 })
  })

  kit.open('presence: events are announced on the feed of the presence log, and the list is changed by then', async (storage) => {
    const [ear, channel] = [new Ear(), new Ear()]
    await storage.feed.join(logOf(ROOM), ear)
    await storage.feed.join(ROOM, channel)
    const found: Array<Promise<string>> = []
    await storage.feed.join(logOf(ROOM), {
      records: () => { found.push(roster(storage).then(({ connections, offset }) => `${connections} at ${offset}`, String)) },
      volatile: () => {},
      interrupted: () => {}
    })
    await storage.presence.enter(ROOM, member('m', 1, 1), entering)
    await kit.until(() => ear.knows(1) && (found.length > 0 || ear.interruptions > 0), 'the first event is announced')
    const first = await found[0]
    await storage.presence.leave(ROOM, member('m', 1, 2), leaving('leave'))
    await kit.until(() => ear.knows(2), 'the second event is announced')
    assert.deepEqual([channel.batches, (await readAll(storage)).head], [[], 0], 'the channel itself hears nothing')
    if (ear.interruptions > 0) return
    assert.deepEqual(ear.heard, ['1 join', '2 leave'])
    assert.equal(first, '1 at 1', 'who hears of an event finds it in the list')
  })

  kit.open('presence: entering again is counted as the user it says now, and held by the node it says now', async (storage) => {
    await storage.presence.enter(ROOM, member('m', 1, 1, { user: 'u' }), entering)
    await storage.presence.enter(ROOM, member('n', 1, 1, { user: 'u' }), entering)
    assert.equal((await storage.presence.enter(ROOM, member('m', 1, 2, { user: 'v', node: 'other' }), entering)).change, 'none')
    assert.equal((await roster(storage)).users, 2)
    await storage.presence.enter(ROOM, member('m', 1, 3, { text: 'x' }), entering)
    const { members, users } = await storage.presence.list(ROOM, { after: null, limit: 1, bytes: 9 })
    assert.deepEqual([users, members[0]?.node, members[0]?.number, members[0]?.user], [1, 'node', 3, null])
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
    assert.equal((await storage.presence.enter(ROOM, member('n', 1, 1), entering)).change, 'join', 'nor is anybody fenced')
    assert.equal((await storage.presence.leave(ROOM, member('m', 1, 1), leaving('leave'))).left, true)
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

  kit.open('presence: the same operation twice, as a client library may send it, is one change', async (storage) => {
    const enter = async (number: number): Promise<string> => (await storage.presence.enter(ROOM, member('m', 1, number), entering)).change
    assert.deepEqual([await enter(1), await enter(1)], ['join', 'none'])
    assert.equal((await storage.presence.leave(ROOM, member('m', 1, 1), leaving('timeout'))).left, true)
    assert.equal((await storage.presence.leave(ROOM, member('m', 1, 1), leaving('timeout'))).left, false)
    assert.deepEqual([await enter(1), await enter(2)], ['fenced', 'back'])
    assert.deepEqual(await events(storage), ['join', 'timeout', 'back'])
  })

  kit.open('presence: generations and numbers compare as numbers, however large', async (storage) => {
    const large = Number.MAX_SAFE_INTEGER - 1
    const pairs: Array<[early: [number, number], late: [number, number]]> = [[[9, 1], [10, 1]], [[1, 9], [1, 10]], [[large, 1], [large + 1, 0]], [[large, large], [large, large + 1]]]
    for (const [early, late] of pairs) {
      const key = `${early} ${late}`
      assert.equal((await storage.presence.enter(ROOM, member(key, ...late), entering)).change, 'join', key)
      assert.equal((await storage.presence.enter(ROOM, member(key, ...early), entering)).change, 'fenced', key)
      assert.equal((await storage.presence.leave(ROOM, member(key, ...early), leaving('leave'))).left, false, key)
      assert.equal((await storage.presence.leave(ROOM, member(key, ...late), leaving('leave'))).left, true, key)
      assert.equal((await storage.presence.enter(ROOM, member(key, ...early), entering)).change, 'fenced', key)
    }
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

  kit.open('presence: who is back may say something else; a timeout of who was not there is none to be back from', async (storage) => {
    const { presence } = storage
    const enter = async (key: string, number: number, text = key): Promise<string> => (await presence.enter(ROOM, member(key, 1, number, { text }), entering)).change
    const leave = (key: string, number: number, cause: 'leave' | 'timeout') => presence.leave(ROOM, member(key, 1, number), leaving(cause))
    await enter('m', 1)
    await leave('m', 2, 'timeout')
    assert.equal(await enter('m', 3, 'other'), 'back')
    await leave('n', 2, 'timeout')
    assert.equal(await enter('n', 3), 'join')
    await leave('m', 4, 'timeout')
    await leave('m', 5, 'leave')
    assert.equal(await enter('m', 4), 'fenced', 'what found nobody fences too')
    assert.equal(await enter('m', 6), 'back', 'and how the member had left stays')
    assert.deepEqual(await events(storage), ['join', 'timeout', 'back', 'join', 'timeout', 'back'])
  })

  kit.open('presence: when the last member left is known for as long as was said', async (storage) => {
    const { presence } = storage
    assert.equal(await presence.lastSeen(ROOM), null, 'there never were any')
    for (const key of ['m', 'n']) await presence.enter(ROOM, member(key, 1, 1), entering)
    await presence.leave(ROOM, member('m', 1, 2), leaving('leave', { seen: TTL }))
    assert.equal(await presence.lastSeen(ROOM), null, 'one is left')
    await presence.leave(ROOM, member('n', 1, 2), leaving('timeout', { seen: TTL }))
    await presence.leave(ROOM, member('n', 1, 3), leaving('leave', { seen: LONG })) // finds nobody
    await presence.leave('other', member('n', 1, 3), leaving('leave', { seen: LONG }))
    assert.equal(await presence.lastSeen('other'), null, 'there never were any')
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
