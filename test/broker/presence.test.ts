import t from 'tap'
import { EncodedPages } from '../../lib/broker/encoded-pages.js'
import { encodeEvent } from '../../lib/broker/presence-bodies.js'
import { PushError } from '../../lib/core/errors.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { ClientInfo } from '../../types/options.js'
import type { MemberFence, StoredMember } from '../../types/presence-store.js'
import type { StorageAdapter } from '../../types/storage.js'
import { openNode, overStorage, settled, type FakePeer, type NodeOptions, type TestNode } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'

const room = 'room/1'
const GRACE = 15_000
const channels = { 'room/:id': { presence: true }, 'quick/:id': { presence: { grace: '1s', data: 20 } }, plain: {} }
const enter = (data?: unknown, channel = room, id = 1) => ({ type: 'enter', id, channel, data })
const leave = (channel = room, id = 2) => ({ type: 'leave', id, channel })

/** What the node did: `cause clientId`. */
const done = ({ presences }: TestNode): string[] => presences.map(({ cause, member }) => `${cause} ${member.clientId}`)

/** What a watcher heard. */
const heard = (peer: FakePeer): string[] => peer.data.map((data) => {
  const { cause, member } = data as { cause: string, member: { clientId: string } }
  return `${cause} ${member.clientId}`
})

const open = (options: NodeOptions = {}) => openNode({ channels, ...options })
const alice = { userId: 'alice' }

async function pass ({ clock }: TestNode, ms: number): Promise<void> {
  await clock.advanceAsync(ms)
  await settled()
}

/** Three nodes on one storage; the first sees it as `first` says. */
async function cluster (first: (storage: StorageAdapter) => StorageAdapter = (storage) => storage, options: NodeOptions = {}): Promise<{ nodes: [TestNode, TestNode, TestNode], clock: ManualClock, storage: StorageAdapter }> {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  await memory.open({ onError: (error) => { throw error } })
  const storage = { ...memory, supports: { ...memory.supports, shared: true }, open: async () => {}, close: async () => {} }
  return { nodes: [await open({ ...options, storage: first(storage), clock }), await open({ ...options, storage, clock }), await open({ ...options, storage, clock })], clock, storage }
}

t.test('[P-12.1] enter: a member with data, its update, and what is refused', async (t) => {
  const node = await open({ authorize: ({ action, channel }) => action === 'presence' || channel !== 'room/private' })
  const { own, broker } = node
  const peer = await own({ clientId: 'phone' }, alice)
  await peer.send(enter({ mood: 'curious' }))
  t.same(peer.last('entered'), { type: 'entered', id: 1, channel: room })
  const { members, ...counts } = await broker.membersOf(room)
  t.match(members, [{ id: /^[\w-]{16}$/, clientId: 'phone', userId: 'alice', data: { mood: 'curious' } }])
  t.same(counts, { users: 1, connections: 1, next: null })
  t.same(Object.keys(members[0] ?? {}), ['id', 'clientId', 'userId', 'data'], 'nothing else of the client is shown')
  await peer.send(enter({ mood: 'curious' }), enter({ mood: 'bored' }), enter())
  t.notOk('data' in ((await broker.membersOf(room)).members[0] ?? {}))
  t.same(done(node).slice(1), ['join phone', 'update phone', 'update phone'], 'the first is the user')
  const refused = [[enter(1, 'plain'), 'PUSH_NO_PRESENCE'], [enter(1, 'nowhere'), 'PUSH_CHANNEL_UNKNOWN'], [enter(1, '$user/alice'), 'PUSH_CHANNEL_INVALID'], [enter(1, '$presence/room/1'), 'PUSH_CHANNEL_INVALID'],
    [enter(1, 'room/private'), 'PUSH_FORBIDDEN'], [enter('x'.repeat(1023)), 'PUSH_TOO_LARGE'], [enter('x'.repeat(19), 'quick/1'), 'PUSH_TOO_LARGE'], [leave('plain'), 'PUSH_NO_PRESENCE']] as const
  for (const [frame, code] of refused) {
    await peer.send(frame)
    t.match(peer.last('error'), { id: frame.id, channel: frame.channel, code })
  }
  await peer.send(enter('x'.repeat(1022)), enter('x'.repeat(18), 'quick/1'))
  t.equal(peer.all('entered').length, 6)
  t.equal((await broker.membersOf(room)).connections, 1)
})

t.test('a client may be in so many channels', async (t) => {
  const { own } = await open({ limits: { subscriptions: 2 } })
  const peer = await own()
  await peer.send(...[1, 2, 3].map((i) => enter(i, `room/${i}`, i)), enter(9, 'room/1', 9))
  t.match(peer.all('entered').map(({ id }) => id), [1, 2, 9])
  t.match(peer.last('error'), { id: 3, code: 'PUSH_TOO_MANY', limit: 'subscriptions' })
})

t.test('[P-12.2] leave, also of who is not there or entered on an earlier connection', async (t) => {
  const node = await open()
  const hello = { session: secret(), clientId: 'phone' }
  const peer = await node.own(hello)
  await peer.send(enter(), leave(), leave())
  t.equal(peer.all('left').length, 2)
  t.same(done(node), ['join phone', 'leave phone'])
  await peer.send(enter())
  await peer.cut()
  const again = await node.own(hello)
  await again.send(leave())
  t.same(done(node).slice(2), ['join phone', 'leave phone'])
  await pass(node, 2 * GRACE)
  t.equal(done(node).length, 4)
  t.equal(node.broker.presence.size, 0)
})

t.test('[P-12.2] to leave where it is no member needs the permission to subscribe, and asking for users makes nothing', async (t) => {
  const storage = memoryStorage({ clock: new ManualClock() })
  let allowed = true
  const { own, broker } = await open({ storage, authorize: () => allowed })
  const peer = await own({ clientId: 'phone' })
  await peer.send(enter())
  const before = storage.stats().channels
  allowed = false
  await peer.send(leave('room/made-up', 7))
  t.match(peer.last('error'), { id: 7, code: 'PUSH_FORBIDDEN' })
  t.same(await broker.online(Array.from({ length: 1000 }, (_, i) => `nobody${i}`)), [])
  t.equal(storage.stats().channels, before)
  await peer.send(leave())
  t.equal((await broker.membersOf(room)).connections, 0, 'where it is one it needs none')
})

t.test('[P-12.3] presence: pages, numbers, and who may', async (t) => {
  const asked: unknown[] = []
  const { own, clock } = await open({ authorize: ({ action, channel, client }) => { asked.push([action, channel, client.userId]); return action !== 'presence' || client.userId === 'alice' } })
  for (const [clientId, identity] of [['a', alice], ['b', alice], ['c', { userId: 'bob' }], ['d', null], ['e', null]] as const) await (await own({ clientId }, identity)).send(enter(clientId))
  const peer = await own({ clientId: 'z' }, alice)
  const found: string[] = []
  for (let after: string | undefined, id = 1; ; id++) {
    await peer.send({ type: 'presence', id, channel: room, limit: 2, after })
    const page = peer.last('presence')
    t.match(page, { id, channel: room, counts: { users: 2, connections: 5 }, offset: 5 })
    found.push(...page?.members.map(({ data }) => data as string) ?? [])
    if (page?.next == null) break
    after = page.next
  }
  t.same(found.sort(), ['a', 'b', 'c', 'd', 'e'])
  await peer.send({ type: 'presence', id: 9, channel: room, limit: 0 })
  t.match(peer.last('presence'), { members: [], next: null, counts: { users: 2, connections: 5 } })
  t.same(asked.at(-1), ['presence', room, 'alice'])
  await peer.send({ type: 'presence', id: 10, channel: 'plain' })
  t.match(peer.last('error'), { id: 10, code: 'PUSH_NO_PRESENCE' })
  const bob = await own({}, { userId: 'bob' })
  await bob.send({ type: 'presence', id: 1, channel: room }, { type: 'subscribe', id: 2, channel: `$presence/${room}`, qos: 1 })
  t.match(bob.all('error'), [{ id: 1, code: 'PUSH_FORBIDDEN' }, { id: 2, code: 'PUSH_FORBIDDEN' }])
  await clock.advanceAsync(1)
})

t.test('[P-12.3] a page is encoded once for all who ask before it changes', async (t) => {
  const { own, storage } = await open()
  for (const clientId of ['a', 'b']) await (await own({ clientId })).send(enter({ text: `ü${clientId}` }))
  const list = (id: number) => ({ type: 'presence', id, channel: room, limit: 9 })
  const [one, two] = [await own(), await own()]
  const real = JSON.parse
  let parsed = 0
  await one.send(list(1))
  JSON.parse = (text: string, ...rest) => { if (text.startsWith('{"id":') && text.includes('"clientId":')) parsed++; return real(text, ...rest) }
  try {
    await two.send(list(22))
  } finally {
    JSON.parse = real
  }
  t.equal(parsed, 0, 'nor are members decoded for it')
  const [first, second] = [one.last('presence'), two.last('presence')]
  t.same(second, { ...first, id: 22 })
  t.same(second?.members.map(({ data }) => data), (await storage.presence.list(room, { after: null, limit: 9, bytes: 999 })).members.map(({ body }) => JSON.parse(Buffer.from(body).toString()).data))
  await (await own({ clientId: 'c' })).send(enter())
  await one.send(list(3))
  t.equal(one.last('presence')?.members.length, 3)
  await one.send({ ...list(4), limit: 0 })
  t.match(one.last('presence'), { members: [], counts: { connections: 3 } })
})

t.test('pages are kept within a bound, and for their position alone', (t) => {
  const pages = new EncodedPages(100)
  let made = 0
  const get = (name: string, offset: number, bytes = 40) => pages.of(name, { epoch: 'e', offset }, () => { made++; return Buffer.alloc(bytes) })
  t.equal(get('a', 1), get('a', 1))
  t.equal(made, 1)
  get('a', 2)
  get('b', 1)
  get('a', 2)
  t.equal(made, 3)
  get('c', 1) // a goes
  get('b', 1)
  t.equal(made, 4)
  get('a', 2)
  t.equal(made, 5)
  get('huge', 1, 101)
  get('huge', 1, 101)
  t.equal(made, 7)
  t.end()
})

t.test('[P-12.4] the presence log is a channel to subscribe to', async (t) => {
  const node = await open()
  const watcher = await node.own({ subscriptions: [{ channel: '$presence/room/1', qos: 1 }] })
  t.match(watcher.last('welcome')?.subscriptions, [{ channel: '$presence/room/1', verdict: 'started', position: { offset: 0 } }])
  const peer = await node.own({ clientId: 'phone' })
  await peer.send(enter(1), enter(2), leave())
  t.match(watcher.data, [
    { cause: 'join', member: { clientId: 'phone', data: 1 } }, { cause: 'update', member: { clientId: 'phone', data: 2 } }, { cause: 'leave', member: { clientId: 'phone', data: undefined } }
  ])
  t.match(watcher.last('messages'), { channel: '$presence/room/1' })
  const log = '$presence/room/1'
  await peer.send({ type: 'history', id: 5, channel: log }, { type: 'subscribe', id: 6, channel: log, qos: 1, rewind: 3 })
  t.match(peer.all('error'), [{ id: 5, code: 'PUSH_NO_HISTORY' }, { id: 6, code: 'PUSH_NO_HISTORY' }])
  await peer.send({ type: 'publish', channel: log, qos: 1, publisher: secret(), sequence: 1, data: { cause: 'join' } })
  t.match(peer.last('refused'), { code: 'PUSH_CHANNEL_INVALID' })
  await t.rejects(node.broker.publish(log, 1), { code: 'PUSH_CHANNEL_INVALID' })
  for (const [id, channel, code] of [[1, '$presence/plain', 'PUSH_NO_PRESENCE'], [2, '$presence/nowhere', 'PUSH_CHANNEL_UNKNOWN'], [3, '$presence/$presence/room/1', 'PUSH_CHANNEL_INVALID'], [4, '$presence/', 'PUSH_CHANNEL_INVALID'],
    [5, '$presence/$user/', 'PUSH_CHANNEL_INVALID'], [6, '$presence/$user/%E0', 'PUSH_CHANNEL_INVALID'], [7, '$presence/$user/a/b', 'PUSH_CHANNEL_INVALID'], [8, '$presence/$inbox', 'PUSH_CHANNEL_INVALID'],
    [9, `$presence/$user/${'a'.repeat(2000)}`, 'PUSH_FORBIDDEN']] as const) {
    await peer.send({ type: 'subscribe', id, channel, qos: 1 })
    t.match(peer.last('error'), { id, code }, channel.slice(0, 40))
  }
})

t.test('[P-12.7] a lost connection has its grace; one closed in order has none', async (t) => {
  const node = await open()
  const hello = { clientId: 'phone', session: secret() }
  const first = await node.own(hello)
  await first.send(enter(1), enter(1, 'quick/1'))
  await first.cut(1006)
  await pass(node, 999)
  t.same(done(node), ['join phone', 'join phone'])
  await pass(node, 1)
  t.same(node.presences.slice(2).map(({ cause, channel }) => `${cause} ${channel}`), ['timeout quick/1'], 'the channel says how long')
  await pass(node, GRACE - 1001)
  t.equal(node.presences.length, 3)
  const second = await node.own(hello)
  await second.send(enter(1))
  await pass(node, GRACE)
  t.equal(node.presences.length, 3, 'came back within it: nobody hears of it')
  await second.cut()
  await pass(node, GRACE)
  t.same(done(node).slice(3), ['timeout phone'])
  const third = await node.own(hello)
  await third.send(enter(1))
  t.same(done(node).slice(4), ['back phone'])
  await third.cut(1000)
  t.same(done(node).slice(5), ['leave phone'], 'at once')
  await (await node.own(hello)).send(enter(1))
  t.same(done(node).slice(6), ['join phone'])
  t.same(node.errors, [])
})

t.test('a connection that ends while it enters leaves no ghost', async (t) => {
  for (const code of [1000, 1006]) {
    const memory = memoryStorage({ clock: new ManualClock() })
    let proceed = () => {}
    const slow = overStorage(memory, { presence: (original) => ({ enter: async (...args) => { await new Promise<void>((resolve) => { proceed = resolve }); return original.enter(...args) } }) })
    const node = await open({ storage: slow })
    const peer = await node.own({ clientId: 'phone' })
    await peer.send(enter())
    await peer.cut(code)
    proceed()
    await pass(node, GRACE)
    t.same(done(node), ['join phone', code === 1000 ? 'leave phone' : 'timeout phone'])
    t.equal(node.broker.presence.size, 0)
  }
})

t.test('a session that another connection takes over is one member, whichever node it is on', async (t) => {
  const { nodes: [one, two], clock } = await cluster()
  const watcher = await two.own({ subscriptions: [{ channel: '$presence/room/1', qos: 1 }] })
  const hello = { clientId: 'phone', session: secret() }
  const old = await one.own(hello)
  await old.send(enter('x'))
  const fresh = await two.own(hello)
  t.match(old.socket.ending, { reason: 'PUSH_SUPERSEDED' })
  await fresh.send(enter('x'))
  await clock.advanceAsync(3 * GRACE)
  t.same(heard(watcher), ['join phone'], 'no flicker')
  t.equal((await one.broker.membersOf(room)).connections, 1)
  await fresh.cut(1000)
  t.same(heard(watcher), ['join phone', 'leave phone'])
})

t.test('a take-over that does not enter lets the member leave after the grace', async (t) => {
  const node = await open()
  const hello = { clientId: 'phone', session: secret() }
  await (await node.own(hello)).send(enter())
  await node.own(hello)
  await pass(node, GRACE - 1)
  t.same(done(node), ['join phone'])
  await pass(node, 1)
  t.same(done(node), ['join phone', 'timeout phone'])
})

t.test('the members of a node that is gone leave when its lease has run out, once', async (t) => {
  const { nodes: [gone, ...rest], clock } = await cluster()
  const watcher = await rest[0].own({ subscriptions: [{ channel: '$presence/room/1', qos: 1 }] })
  for (const clientId of ['a', 'b', 'c']) await (await gone.own({ clientId, session: secret() })).send(enter())
  const hello = { clientId: 'd', session: secret() }
  await (await gone.own(hello)).send(enter())
  gone.broker.presence.close() // killed: it renews nothing and lets nobody leave
  await (await rest[0].own(hello)).send(enter())
  await clock.advanceAsync(2 * GRACE - 11_000)
  t.equal(heard(watcher).length, 4, 'they have their time to come back')
  await clock.advanceAsync(22_000)
  t.same(heard(watcher).slice(4).sort(), ['timeout a', 'timeout b', 'timeout c'])
  t.equal((await rest[1].broker.membersOf(room)).connections, 1, 'who went on elsewhere stays')
  t.same(rest.flatMap((node) => node.errors), [])
})

t.test('all members of a node that is gone leave at once, however many they are', async (t) => {
  const { nodes: [one], clock, storage } = await cluster()
  const change = { retention: { limit: 10, bytes: 1000, ttl: 1000 }, remember: 1000, events: { join: new Uint8Array(1), back: new Uint8Array(1), update: new Uint8Array(1) } }
  const member = { generation: 1, number: 1, node: 'gone', user: null }
  for (let i = 0; i < 2500; i++) await storage.presence.enter(room, { ...member, key: `k${i}`, body: Buffer.from(`{"id":"k${i}","clientId":"c"}`) }, change)
  await clock.advanceAsync(10_001)
  t.equal((await one.broker.membersOf(room)).connections, 0)
})

t.test('users whose node is gone go offline, also where no channel has members', async (t) => {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  await memory.open({ onError: (error) => { throw error } })
  const storage = { ...memory, supports: { ...memory.supports, durable: true }, open: async () => {}, close: async () => {} }
  const gone = await openNode({ storage, clock })
  await gone.own({ clientId: 'phone' }, alice)
  gone.broker.presence.close()
  const next = await openNode({ storage, clock })
  t.equal(await next.broker.online('alice'), true)
  await clock.advanceAsync(3 * GRACE)
  t.equal(await next.broker.online('alice'), false)
})

t.test('a node whose lease ran out enters its members anew', async (t) => {
  let paused = false
  const { nodes: [one, two], clock } = await cluster((storage) => overStorage(storage, {
    presence: (original) => ({ renew: async (...args) => { if (paused) throw new PushError('PUSH_STORAGE_UNAVAILABLE'); return original.renew(...args) } })
  }))
  const watcher = await two.own({ subscriptions: [{ channel: '$presence/room/1', qos: 1 }] })
  const peer = await one.own({ clientId: 'phone' })
  await peer.send(enter(7))
  paused = true
  await clock.advanceAsync(45_000)
  t.same(heard(watcher), ['join phone', 'timeout phone'], 'others let it go')
  paused = false
  await clock.advanceAsync(10_000)
  t.same(heard(watcher).slice(2), ['back phone'])
  t.match((await two.broker.membersOf(room)).members, [{ clientId: 'phone', data: 7 }])
  await clock.advanceAsync(60_000)
  t.equal(heard(watcher).length, 3)
  await peer.cut(1000)
  t.same(heard(watcher).slice(3), ['leave phone'])
})

t.test('a node hears of the end of its lease also if the answer that says so is lost', async (t) => {
  let trouble: 'PUSH_STORAGE_UNAVAILABLE' | 'PUSH_STORAGE_UNKNOWN' | null = null
  const { nodes: [one, two], clock } = await cluster((storage) => overStorage(storage, {
    presence: (original) => ({
      renew: async (...args) => {
        if (trouble === 'PUSH_STORAGE_UNAVAILABLE') throw new PushError(trouble)
        const lived = await original.renew(...args)
        if (trouble !== null) throw new PushError(trouble)
        return lived
      }
    })
  }))
  const watcher = await two.own({ subscriptions: [{ channel: '$presence/room/1', qos: 1 }] })
  await (await one.own({ clientId: 'phone' })).send(enter(7))
  trouble = 'PUSH_STORAGE_UNKNOWN'
  await clock.advanceAsync(25_000)
  trouble = null
  await clock.advanceAsync(30_000)
  t.same(heard(watcher), ['join phone'], 'it was renewed all the time')
  trouble = 'PUSH_STORAGE_UNAVAILABLE'
  await clock.advanceAsync(45_000)
  t.same(heard(watcher), ['join phone', 'timeout phone'])
  trouble = 'PUSH_STORAGE_UNKNOWN'
  await clock.advanceAsync(10_000)
  trouble = null
  await clock.advanceAsync(10_000)
  t.same(heard(watcher), ['join phone', 'timeout phone', 'back phone'])
})

/** Notes who is entered in a storage, and how many at once. */
function noting () {
  const noted = { entered: [] as Array<{ key: string, number: number }>, most: 0, fail: false }
  let now = 0
  const over = (storage: StorageAdapter) => overStorage(storage, {
    presence: (original) => ({
      async enter (channel, member, change) {
        if (channel === room) noted.entered.push(member)
        noted.most = Math.max(noted.most, ++now)
        if (noted.fail) throw new PushError('PUSH_STORAGE_UNAVAILABLE')
        await new Promise(setImmediate)
        now--
        return original.enter(channel, member, change)
      }
    })
  })
  return { noted, over }
}

const ROUND = 300_000
const BEAT = 10_000

t.test('members that the storage lost while the lease of their node went on are back within minutes, and nobody hears of the others', async (t) => {
  const { noted, over } = noting()
  const { nodes: [one, two], storage } = await cluster(over, { limits: { silence: '1d' } })
  const peers = new Map<string, FakePeer>()
  const secrets = new Map(Array.from({ length: 40 }, (_, i) => [`c${i}`, secret()]))
  for (const [clientId, session] of secrets) peers.set(clientId, await (await one.own({ clientId, session })).send(enter(clientId)))
  const { members } = await storage.presence.list(room, { after: null, limit: 100, bytes: 1e6 })
  const fences = new Map(members.map(({ body, ...fence }) => [(JSON.parse(Buffer.from(body).toString()) as { clientId: string }).clientId, fence]))
  const keyOf = (clientId: string) => fences.get(clientId)?.key
  const change = { cause: 'leave', event: Buffer.from('{}'), remember: 0, seen: 0, retention: { limit: 100, bytes: 1e6, ttl: 1e6 } } as const
  for (const clientId of ['c3', 'c39']) await storage.presence.leave(room, fences.get(clientId) as MemberFence, change)
  t.equal((await two.broker.membersOf(room)).connections, 38)
  await (await two.own({ clientId: 'c5', session: secrets.get('c5') })).send(enter('c5')) // it has moved
  const numbers = new Map(noted.entered.splice(0).map(({ key, number }) => [key, number]))
  const before = done(one).length
  for (let at = 0; at < ROUND; at += BEAT) {
    await pass(one, BEAT)
    t.ok(noted.entered.length <= 2 * (at / BEAT + 1), 'a few at a time')
  }
  t.same(done(one).slice(before).sort(), ['join c3', 'join c39'])
  t.equal((await two.broker.membersOf(room)).connections, 40)
  t.same(new Map(noted.entered.map(({ key, number }) => [key, number])), new Map([...numbers].filter(([key]) => key !== keyOf('c5'))), 'all others, each as before')
  // Who has left stays away, and who is away is left alone.
  await peers.get('c7')?.send(leave())
  noted.entered.length = 0
  await pass(one, ROUND)
  t.notOk(noted.entered.some(({ key }) => key === keyOf('c7')))
  for (const peer of peers.values()) await peer.cut()
  noted.entered.length = 0
  await pass(one, BEAT)
  t.same(noted.entered, [])
  await pass(one, BEAT)
  t.equal((await two.broker.membersOf(room)).connections, 1, 'who has moved')
  t.same(one.errors, [])
})

t.test('whose leaving the storage lost leaves within minutes, and nobody else', async (t) => {
  const { nodes: [one, two], clock, storage } = await cluster()
  const watcher = await two.own({ subscriptions: [{ channel: '$presence/room/1', qos: 1 }] })
  const [phone, away] = [await one.own({ clientId: 'phone', session: secret() }), await one.own({ clientId: 'away', session: secret() })]
  for (const peer of [phone, away]) await peer.send(enter(7))
  const [held] = (await storage.presence.list(room, { after: null, limit: 1, bytes: 1 })).members
  const join = encodeEvent(clock, 'join', { id: 'stray', clientId: 'stray' })
  const change = { retention: { limit: 1000, bytes: 1e6, ttl: 1e6 }, remember: 1000, events: { join, back: join, update: join } }
  const stray = (channel: string, i: number) => storage.presence.enter(channel, { ...held as StoredMember, key: `stray-${i}`, body: Buffer.from(`{"id":"stray-${i}","clientId":"stray"}`) }, change)
  for (let i = 0; i < 150; i++) await stray(room, i)
  await stray('$user/bob', 0)
  t.equal(await two.broker.online('bob'), true)
  await away.cut(1006)
  await pass(one, BEAT)
  t.match(heard(watcher).filter((each) => /phone|away/.test(each)), ['join phone', 'join away'], 'who is in its grace is left alone')
  await clock.advanceAsync(3 * BEAT)
  t.same((await two.broker.membersOf(room)).members.map(({ clientId }) => clientId), ['phone'])
  t.equal(await two.broker.online('bob'), false)
  t.equal(done(one).filter((each) => each === 'timeout stray').length, 151)
  // Also where it holds nobody else any more.
  await phone.cut(1000)
  await stray(room, 0)
  await clock.advanceAsync(2 * BEAT)
  t.equal((await two.broker.membersOf(room)).connections, 0)
  t.same([...one.errors, ...two.errors], [])
})

t.test('many are entered again so many at once; what that fails for keeps nobody else from it', async (t) => {
  const { noted, over } = noting()
  const { nodes: [one] } = await cluster(over)
  const { broker: { presence, channels }, errors } = one
  const client = { clientId: 'c' } as ClientInfo
  for (let i = 0; i < 6000; i++) await presence.enter(presence.stay(channels.find(room), { memberId: `m${i}`, generation: 1, client }, undefined))
  noted.entered.length = 0
  await pass(one, BEAT)
  for (let i = 0; i < 10; i++) await settled()
  t.equal(noted.entered.length, 200)
  t.equal(noted.most, 100)
  noted.fail = true
  await pass(one, BEAT)
  await settled()
  t.equal(noted.entered.length, 400)
  t.match(errors, [{ code: 'PUSH_STORAGE_UNAVAILABLE' }], 'which is said once')
})

t.test('where nodes share no storage nobody is entered again', async (t) => {
  const { noted, over } = noting()
  const node = await open({ storage: over(memoryStorage({ clock: new ManualClock() })) })
  await (await node.own({ clientId: 'phone' })).send(enter())
  await pass(node, ROUND)
  t.equal(noted.entered.length, 1)
})

t.test('what is being entered while all is entered anew is what the list says in the end', async (t) => {
  const holds: Array<() => void> = []
  let [isSlow, paused] = [false, false]
  const { nodes: [one, two], clock } = await cluster((storage) => overStorage(storage, {
    presence: (original) => ({
      renew: async (...args) => { if (paused) throw new PushError('PUSH_STORAGE_UNAVAILABLE'); return original.renew(...args) },
      enter: async (...args) => {
        if (isSlow) await new Promise<void>((resolve) => { holds.push(resolve) })
        return original.enter(...args)
      }
    })
  }))
  const peer = await one.own({ clientId: 'phone' })
  await peer.send(enter('old'))
  paused = true
  await clock.advanceAsync(45_000)
  paused = false
  isSlow = true
  await peer.send(enter('new'))
  await clock.advanceAsync(10_000)
  isSlow = false
  holds.splice(0).reverse().forEach((proceed) => proceed())
  await settled()
  await clock.advanceAsync(30_000)
  t.match((await two.broker.membersOf(room)).members, [{ clientId: 'phone', data: 'new' }])
})

t.test('a user whom the storage had no room for is tried again; so is one where no lease was to be had', async (t) => {
  for (const [operation, code] of [['enter', 'PUSH_STORAGE_FULL'], ['renew', 'PUSH_STORAGE_UNAVAILABLE']] as const) {
    let inTrouble = true
    const refuse = async (): Promise<never> => { throw new PushError(code) }
    const storage = overStorage(memoryStorage({ clock: new ManualClock() }), { presence: (original) => ({ get [operation] () { return inTrouble ? refuse : original[operation] } }) })
    const node = await open({ storage })
    await node.own({ clientId: 'phone' }, alice)
    await pass(node, 30_000)
    t.equal(await node.broker.online('alice'), false)
    t.equal(node.errors.length > 0, true)
    inTrouble = false
    await pass(node, 30_000)
    t.equal(await node.broker.online('alice'), true, code)
  }
})

t.test('what the storage does not take is tried again; the client hears of what it asked for', async (t) => {
  const memory = memoryStorage({ clock: new ManualClock() })
  let trouble: 'PUSH_STORAGE_UNAVAILABLE' | 'PUSH_STORAGE_UNKNOWN' | null = null
  const fail = async <Result> (work: () => Promise<Result>): Promise<Result> => {
    if (trouble === 'PUSH_STORAGE_UNAVAILABLE') throw new PushError(trouble)
    const result = await work()
    if (trouble !== null) throw new PushError(trouble)
    return result
  }
  const storage = overStorage(memory, { presence: (original) => ({ enter: (...args) => fail(() => original.enter(...args)), leave: (...args) => fail(() => original.leave(...args)) }) })
  const node = await open({ storage })
  trouble = 'PUSH_STORAGE_UNAVAILABLE'
  const peer = await node.own({ clientId: 'phone' }, alice)
  await peer.send(enter())
  t.match(peer.last('error'), { code: 'PUSH_STORAGE_UNAVAILABLE' })
  t.equal(await node.broker.online('alice'), false)
  trouble = null
  await pass(node, 10_000)
  t.equal(await node.broker.online('alice'), true, 'the user entered with the next visit')
  t.equal((await node.broker.membersOf(room)).connections, 0, 'what the client was refused it has to ask for again')
  trouble = 'PUSH_STORAGE_UNKNOWN'
  await peer.send(enter())
  t.match(peer.last('error'), { code: 'PUSH_STORAGE_UNKNOWN' })
  t.equal((await node.broker.membersOf(room)).connections, 1, 'it may have happened')
  trouble = 'PUSH_STORAGE_UNAVAILABLE'
  await peer.send(leave())
  t.match(peer.last('error'), { code: 'PUSH_STORAGE_UNAVAILABLE' })
  await peer.cut(1000)
  t.equal((await node.broker.membersOf(room)).connections, 1)
  trouble = null
  await pass(node, 10_000)
  t.equal((await node.broker.membersOf(room)).connections, 0)
  t.equal(await node.broker.online('alice'), false)
  t.equal(node.broker.presence.size, 0)
  await pass(node, 60_000)
  t.same(done(node), ['join phone', 'leave phone', 'leave phone'])
})

t.test('however many could not leave are tried again so many at once', async (t) => {
  let [now, most, isDown] = [0, 0, true]
  const { nodes: [one, two], clock } = await cluster((storage) => overStorage(storage, {
    presence: (original) => ({
      async leave (...args) {
        if (isDown) throw new PushError('PUSH_STORAGE_UNAVAILABLE')
        most = Math.max(most, ++now)
        await new Promise(setImmediate)
        now--
        return original.leave(...args)
      }
    })
  }))
  const { presence, channels } = one.broker
  for (let i = 0; i < 1000; i++) {
    const stay = presence.stay(channels.find(room), { memberId: `m${i}`, generation: 1, client: { clientId: `c${i}` } as ClientInfo }, undefined)
    await presence.enter(stay)
    presence.ended(stay, true)
  }
  await settled()
  t.equal(presence.size, 1000, 'none of them could leave')
  isDown = false
  await clock.advanceAsync(BEAT)
  while (presence.size > 0) await settled()
  await settled()
  t.equal(most, 100)
  t.equal((await two.broker.membersOf(room)).connections, 0)
})

t.test('who is online: users by all their clients, on any node', async (t) => {
  const { nodes: [one, two], clock } = await cluster()
  const { broker } = two
  t.equal(await broker.online('alice'), false)
  t.equal(await broker.members.lastSeen('alice'), null)
  const phone = await one.own({ clientId: 'phone' }, alice)
  const laptop = await two.own({ clientId: 'laptop' }, alice)
  await one.own()
  t.same(await broker.online(['bob', 'alice', 'carol']), ['alice'])
  await phone.cut(1000)
  t.equal(await broker.online('alice'), true)
  await laptop.cut()
  await clock.advanceAsync(GRACE - 1)
  t.equal(await broker.online('alice'), true, 'within the grace')
  t.equal(await broker.members.lastSeen('alice'), null)
  await clock.advanceAsync(1)
  t.equal(await broker.online('alice'), false)
  t.equal((await broker.members.lastSeen('alice'))?.getTime(), clock.timestamp())
  for (const user of ['', 7, 'x'.repeat(257), '\ud800']) await t.rejects(broker.online(user as string), { code: 'PUSH_INVALID' })
  await t.rejects(broker.online(Array(10_001).fill('a')), { code: 'PUSH_INVALID' })
})

t.test('[P-12.8] a user\'s clients are seen by the user, and by whom authorize allows', async (t) => {
  const asked: unknown[] = []
  const watch = { type: 'subscribe', id: 1, channel: '$presence/$user/alice', qos: 1 }
  const strict = await open()
  const nobody = await strict.own({}, { userId: 'bob' })
  await nobody.send(watch)
  t.match(nobody.last('error'), { code: 'PUSH_FORBIDDEN' }, 'without authorize nobody else')
  const node = await open({ authorize: (request) => { asked.push(request); return request.client.userId === 'bob' } })
  const own = await node.own({ clientId: 'phone' }, alice)
  await own.send(watch)
  t.match(own.last('subscribed'), { channel: '$presence/$user/alice', position: { offset: 1 } })
  t.same(asked, [], 'the user may, whatever authorize says')
  const [bob, carol] = [await node.own({}, { userId: 'bob' }), await node.own({}, { userId: 'carol' })]
  await bob.send(watch, { type: 'presence', id: 2, channel: '$user/alice' })
  await carol.send(watch)
  t.match(bob.last('presence'), { members: [{ clientId: 'phone', userId: 'alice' }], counts: { users: 1, connections: 1 } })
  t.match(carol.last('error'), { code: 'PUSH_FORBIDDEN' })
  t.match(asked[0], { action: 'presence', channel: '$user/alice', params: { userId: 'alice' } })
  await own.cut(1000)
  t.same(heard(bob), ['leave phone'])
})

t.test('presence.online: false watches no users over', async (t) => {
  const node = await open({ presence: { online: false, grace: '1s' } })
  const peer = await node.own({ clientId: 'phone' }, alice)
  await peer.send({ type: 'subscribe', id: 1, channel: '$presence/$user/alice', qos: 1 }, enter())
  t.match(peer.last('error'), { code: 'PUSH_NO_PRESENCE' })
  await t.rejects(node.broker.online('alice'), { code: 'PUSH_NO_PRESENCE' })
  await peer.cut()
  await pass(node, 1000)
  t.same(done(node), ['join phone', 'timeout phone'], 'the grace is the plugin\'s')
})

t.test('nothing is left of those who have left', async (t) => {
  const node = await open()
  for (let i = 0; i < 20; i++) {
    const peer = await node.own({}, { userId: `user-${i % 3}` })
    await peer.send(enter(i))
    await peer.cut(i % 2 === 0 ? 1000 : undefined)
  }
  await pass(node, 60_000)
  t.equal(node.broker.presence.size, 0)
  t.equal(node.service.size, 0)
  t.equal((await node.broker.membersOf(room)).connections, 0)
  t.equal(node.clock.pending, 1, 'only the storage\'s timer')
})

t.test('a listener that throws harms nobody', async (t) => {
  const node = await open()
  Object.defineProperty(node.presences, 'push', { value: () => { throw new Error('mine') } })
  const peer = await node.own({ clientId: 'phone' })
  await peer.send(enter())
  t.ok(peer.last('entered'))
  t.match(node.errors, [{ message: 'mine' }])
})
