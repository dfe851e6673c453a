import t from 'tap'
import { Groups } from '../../lib/connection/groups.js'
import { PushError } from '../../lib/core/errors.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { ClientsTarget, DisconnectCode } from '../../types/index.js'
import { openNode, overStorage, settled, type FakePeer } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'

const alice = { userId: 'alice' }
const bob = { userId: 'bob' }

/** Two nodes on one storage, and who is connected where. */
async function openTwo () {
  const clock = new ManualClock()
  const storage = memoryStorage({ clock })
  const here = await openNode({ clock, storage, authorize: () => false })
  const there = await openNode({ clock, storage: { ...overStorage(storage, {}), open: async () => {} }, authorize: () => false })
  const own = async (node: typeof here, clientId: string, who: { userId: string } | null) => node.own({ clientId }, who)
  const peers = {
    phone: await own(here, 'phone', alice),
    laptop: await own(there, 'laptop', alice),
    bobsPhone: await own(there, 'phone', bob),
    nobody: await own(here, 'kiosk', null)
  }
  return { here, there, peers, clock, storage }
}

const having = (peers: Record<string, FakePeer>, what: (peer: FakePeer) => unknown): string[] => Object.entries(peers).filter(([, peer]) => what(peer)).map(([name]) => name)

t.test('whom a target means, on any node', async (t) => {
  const cases: [ClientsTarget, string[]][] = [
    [{ userId: 'alice' }, ['phone', 'laptop']],
    [{ clientId: 'phone' }, ['phone', 'bobsPhone']],
    [{ userId: 'alice', clientId: 'phone' }, ['phone']],
    [{ userId: 'bob', clientId: 'laptop' }, []],
    [{ clientId: 'kiosk' }, ['nobody']],
    [{ userId: 'carol' }, []]
  ]
  for (const [target, names] of cases) {
    const { here, peers } = await openTwo()
    await here.control.clients(target).disconnect()
    await settled()
    t.same(having(peers, ({ socket }) => socket.ending !== null), names, JSON.stringify(target))
  }
})

t.test('a target that is none', async (t) => {
  const { control } = await openNode()
  for (const target of [{}, undefined, null, { userId: '' }, { userId: 7 }, { name: 'alice' }, { userId: 'alice', channel: 'room/1' }, 'alice', { userId: undefined }]) {
    t.throws(() => control.clients(target as ClientsTarget), { code: 'PUSH_INVALID' }, JSON.stringify(target))
  }
})

t.test('disconnect says why, and whether to come back', async (t) => {
  const { here, peers } = await openTwo()
  await here.control.clients(alice).disconnect({ code: 'PUSH_FORBIDDEN', reason: 'signed out' })
  await settled()
  for (const peer of [peers.phone, peers.laptop]) {
    t.same(peer.last('goodbye'), { type: 'goodbye', code: 'PUSH_FORBIDDEN', reason: 'signed out' })
    t.same(peer.socket.ending, { code: 4403, reason: 'PUSH_FORBIDDEN' })
  }
  const clients = here.control.clients(bob)
  await t.rejects(clients.disconnect({ code: 'PUSH_BAD_FRAME' as DisconnectCode }), { code: 'PUSH_INVALID' })
  await t.rejects(clients.disconnect({ code: 'toString' as DisconnectCode }), { code: 'PUSH_INVALID' })
  await t.rejects(clients.disconnect({ reason: 'x'.repeat(257) }), { code: 'PUSH_INVALID' })
  await t.rejects(clients.disconnect({ reason: 7 as unknown as string }), { code: 'PUSH_INVALID' })
  t.equal(peers.bobsPhone.socket.ending, null)
  await clients.disconnect()
  await settled()
  t.equal(peers.bobsPhone.last('goodbye')?.code, 'PUSH_GOING_AWAY')
})

t.test('[P-3.8] subscribe, without asking whether they may', async (t) => {
  const { here, there, peers } = await openTwo()
  await peers.phone.send({ type: 'subscribe', id: 1, channel: 'room/1', qos: 1 })
  t.match(peers.phone.last('error'), { code: 'PUSH_FORBIDDEN' }, 'the hook says no')
  await there.broker.publish('room/1', 'before')
  await here.control.clients(alice).subscribe('room/1', { qos: 2 })
  await settled()
  for (const peer of [peers.phone, peers.laptop]) {
    const told = peer.last('subscribed')
    t.match(told, { channel: 'room/1', qos: 2, verdict: 'started', position: { offset: 1 } })
    t.notOk('id' in (told as object))
  }
  await here.broker.publish('room/1', 'after', { qos: 2 })
  await settled()
  t.same(having(peers, ({ data }) => data.includes('after')), ['phone', 'laptop'])
  t.same(having(peers, ({ data }) => data.includes('before')), [])
  const { position } = await here.broker.publish('room/1', 'acknowledged', { qos: 2 })
  await settled()
  await peers.phone.send({ type: 'ack', positions: [{ channel: 'room/1', ...position }] })
  t.match(peers.phone.last('confirmed'), { positions: [{ channel: 'room/1', offset: 3 }] }, 'its cursor is kept')
})

t.test('nothing changes for those that have it at this QoS or a higher one', async (t) => {
  const { own, control, broker } = await openNode()
  const peer = await own({ subscriptions: [{ channel: 'room/1', qos: 1 }] }, alice)
  await control.clients(alice).subscribe('room/1')
  await settled()
  await control.clients(alice).subscribe('room/1', { qos: 0 })
  t.same(peer.all('subscribed'), [])
  await control.clients(alice).subscribe('room/1', { qos: 2 })
  await settled()
  t.match(peer.all('subscribed'), [{ qos: 2 }])
  await broker.publish('room/1', 'once', { qos: 2 })
  await settled()
  t.same(peer.data, ['once'])
})

t.test('[P-3.7] unsubscribe forgets the cursor, and tells', async (t) => {
  const clock = new ManualClock()
  const storage = memoryStorage({ clock })
  const { control, own, broker } = await openNode({ clock, storage })
  const peer = await own({ clientId: 'phone', subscriptions: [{ channel: 'room/1', qos: 1 }, { channel: 'room/2', qos: 1 }] }, alice)
  t.not(await storage.cursors.load('room/1', 'alice/c/phone'), null)
  await control.clients(alice).unsubscribe('room/1')
  await settled()
  t.same(peer.all('unsubscribed'), [{ type: 'unsubscribed', channel: 'room/1', code: 'PUSH_FORBIDDEN' }])
  t.equal(await storage.cursors.load('room/1', 'alice/c/phone'), null)
  await control.clients(alice).unsubscribe('room/1')
  await settled()
  t.equal(peer.all('unsubscribed').length, 1)
  await broker.publish('room/1', 1)
  await broker.publish('room/2', 2)
  await settled()
  t.same(peer.data, [2])
})

t.test('a revocation does not wait for what the client has asked for', async (t) => {
  const { own, control, broker, clock } = await openNode({ authorize: ({ action }) => action === 'history' ? new Promise((resolve) => { clock.after(1000, () => resolve(true)) }) : true })
  const peer = await own({ subscriptions: [{ channel: 'room/1', qos: 1 }] }, alice)
  for (let id = 1; id <= 20; id++) peer.connection.receive(JSON.stringify({ type: 'history', id, channel: 'room/1' }))
  peer.connection.receive(JSON.stringify({ type: 'subscribe', id: 99, channel: 'room/1', qos: 2 }))
  control.clients(alice).unsubscribe('room/1').catch(t.error)
  await settled()
  t.match(peer.last('unsubscribed'), { channel: 'room/1', code: 'PUSH_FORBIDDEN' })
  await broker.publish('room/1', 'secret')
  for (let second = 0; second < 21; second++) await clock.advanceAsync(1000)
  t.match(peer.last('subscribed'), { id: 99 }, 'that had been asked before')
  t.equal(peer.all('unsubscribed').length, 2, 'and is ended in its turn')
  await broker.publish('room/1', 'secret too')
  await settled()
  t.same(peer.data, [])
})

t.test('it forgets what hooks have allowed for a time, also to those without a subscription, and what is still to be answered', async (t) => {
  let allow = true
  let answer = (): void => {}
  const { own, control } = await openNode({
    authorize: async ({ action }) => {
      const answered = { allow, ttl: '1h' }
      if (action === 'history') await new Promise<void>((resolve) => { answer = resolve })
      return answered
    }
  })
  const peer = await own({ subscriptions: [{ channel: 'room/1', qos: 1 }] }, alice)
  const other = await own({ subscriptions: [{ channel: 'room/1', qos: 1 }] }, alice)
  await other.send({ type: 'unsubscribe', id: 1, channel: 'room/1' })
  await peer.send({ type: 'history', id: 1, channel: 'room/1' })
  allow = false
  const done = control.clients(alice).unsubscribe('room/1')
  answer()
  await done
  for (const each of [peer, other]) {
    await each.send({ type: 'subscribe', id: 2, channel: 'room/1', qos: 1 })
    t.match(each.last('error'), { id: 2, code: 'PUSH_FORBIDDEN' })
  }
  await peer.send({ type: 'history', id: 3, channel: 'room/1' })
  answer()
  await settled()
  t.match(peer.last('error'), { id: 3, code: 'PUSH_FORBIDDEN' })
})

t.test('it ends the membership, and the view of the members', async (t) => {
  const { own, control, broker, presences, storage } = await openNode({ channels: { 'room/:id': { presence: true } }, presence: { online: false } })
  const subscriptions = [{ channel: 'room/1', qos: 1 }, { channel: '$presence/room/1', qos: 1 }]
  const phone = await own({ clientId: 'phone', subscriptions }, alice)
  const laptop = await own({ clientId: 'laptop' }, alice)
  const kiosk = await own({ clientId: 'kiosk' }, alice)
  for (const peer of [phone, laptop, kiosk]) await peer.send({ type: 'enter', id: 1, channel: 'room/1' })
  await kiosk.cut()
  const back = await own({ clientId: 'kiosk' }, alice)
  await control.clients(alice).unsubscribe('room/1')
  await settled()
  t.same(presences.slice(3).map(({ cause, member }) => `${cause} ${member.clientId}`).sort(), ['leave kiosk', 'leave laptop', 'leave phone'])
  t.same(phone.all('unsubscribed').map(({ channel, code }) => [channel, code]), [['room/1', 'PUSH_FORBIDDEN'], ['$presence/room/1', 'PUSH_FORBIDDEN']])
  t.same(laptop.all('unsubscribed'), [{ type: 'unsubscribed', channel: 'room/1', code: 'PUSH_FORBIDDEN' }])
  t.same(back.all('unsubscribed'), [])
  t.equal(await storage.cursors.load('$presence/room/1', 'alice/c/phone'), null)
  const before = phone.data.length
  await (await own({ clientId: 'b' }, bob)).send({ type: 'enter', id: 1, channel: 'room/1' })
  await settled()
  t.equal(phone.data.length, before)
  t.same((await broker.membersOf('room/1')).members.map(({ userId }) => userId), ['bob'])
})

t.test('[P-12.7] who is sent away leaves at once, who may come back after the grace', async (t) => {
  for (const [code, left] of [['PUSH_FORBIDDEN', true], ['PUSH_UNAUTHENTICATED', true], ['PUSH_GOING_AWAY', false], ['PUSH_EXPIRED', false]] as const) {
    const { own, control, presences } = await openNode({ channels: { 'room/:id': { presence: true } }, presence: { online: false } })
    await (await own({}, alice)).send({ type: 'enter', id: 1, channel: 'room/1' })
    await control.clients(alice).disconnect({ code })
    await settled()
    t.same(presences.map(({ cause }) => cause), left ? ['join', 'leave'] : ['join'], code)
  }
})

t.test('the cursor of a client that does not own its session yet is forgotten once it does', async (t) => {
  const clock = new ManualClock()
  const storage = memoryStorage({ clock })
  const { control, own, hello } = await openNode({ clock, storage })
  const phone = { clientId: 'phone', subscriptions: [{ channel: 'room/1', qos: 1 }] }
  await (await own(phone, alice)).cut()
  const guest = await hello(phone, alice)
  await control.clients(alice).unsubscribe('room/1')
  await settled()
  t.match(guest.last('unsubscribed'), { channel: 'room/1' })
  await guest.send({ type: 'ping' })
  t.equal(await storage.cursors.load('room/1', 'alice/c/phone'), null)
  t.ok(guest.last('pong'))
})

t.test('wrong arguments change nothing anywhere', async (t) => {
  const { here, peers } = await openTwo()
  const clients = here.control.clients(alice)
  await t.rejects(clients.subscribe('unknown'), { code: 'PUSH_CHANNEL_UNKNOWN' })
  await t.rejects(clients.subscribe('$inbox'), { code: 'PUSH_CHANNEL_INVALID' })
  await t.rejects(clients.subscribe('$control'), { code: 'PUSH_CHANNEL_INVALID' })
  await t.rejects(clients.subscribe(7 as unknown as string), { code: 'PUSH_CHANNEL_INVALID' })
  await t.rejects(clients.subscribe('room/1', { qos: 3 as 2 }), { code: 'PUSH_INVALID' })
  await t.rejects(clients.unsubscribe('unknown'), { code: 'PUSH_CHANNEL_UNKNOWN' })
  await settled()
  t.same(having(peers, (peer) => peer.last('subscribed') ?? peer.socket.ending), [])
})

t.test('who is being greeted is told after the welcome', async (t) => {
  let proceed = (): void => {}
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), { sessions: (sessions) => ({ find: (key) => new Promise((resolve, reject) => { proceed = () => { sessions.find(key).then(resolve, reject) } }) }) })
  const { connect, control, service } = await openNode({ clock, storage })
  const peer = await connect(alice).send({ type: 'hello', session: secret(), subscriptions: [{ channel: 'room/1', qos: 1 }] })
  await control.clients(alice).unsubscribe('room/1')
  await settled()
  await control.clients(alice).subscribe('news')
  t.same(peer.socket.frames, [])
  proceed()
  await settled()
  t.same(peer.socket.frames.map(({ type }) => type), ['welcome', 'unsubscribed', 'subscribed'])
  await peer.send({ type: 'ping' })
  t.same([...peer.connection.subscriptions.keys()], ['news'])

  const gone = await connect(bob).send({ type: 'hello', session: secret() })
  await control.clients(bob).subscribe('news')
  await settled()
  await control.clients(bob).disconnect()
  t.equal(gone.last('goodbye')?.code, 'PUSH_GOING_AWAY', 'also before the welcome')
  proceed()
  await settled()
  t.notOk(gone.last('welcome'))
  await gone.cut()
  t.equal(service.size, 1)
})

t.test('a client that has no room is left as it is', async (t) => {
  const { own, control } = await openNode({ limits: { subscriptions: 1 } })
  const full = await own({ subscriptions: [{ channel: 'room/1', qos: 1 }] }, alice)
  const other = await own({}, alice)
  await control.clients(alice).subscribe('room/2')
  await settled()
  t.same([...full.connection.subscriptions.keys()], ['room/1'])
  t.same([...other.connection.subscriptions.keys()], ['room/2'])
  t.equal(full.socket.ending, null)
})

t.test('a storage that does not take it: done here, and told to the caller', async (t) => {
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), { feed: () => ({ broadcast: async () => { throw new PushError('PUSH_STORAGE_UNAVAILABLE') } }) })
  const { own, control, errors } = await openNode({ clock, storage })
  const peer = await own({}, alice)
  await t.rejects(control.clients(alice).disconnect(), { code: 'PUSH_STORAGE_UNAVAILABLE' })
  t.not(peer.socket.ending, null)
  const unhandled: unknown[] = []
  const listener = (error: unknown): void => { unhandled.push(error) }
  process.on('unhandledRejection', listener)
  control.clients(alice).disconnect().then(() => t.fail(), () => {})
  control.clients(alice).subscribe('unknown')
  await settled()
  process.off('unhandledRejection', listener)
  t.same(unhandled, [])
  t.same(errors.map((error) => (error as PushError).code).sort(), ['PUSH_CHANNEL_UNKNOWN', 'PUSH_STORAGE_UNAVAILABLE', 'PUSH_STORAGE_UNAVAILABLE'])
})

t.test('what is no order is ignored', async (t) => {
  const { own, storage, errors } = await openNode()
  const peer = await own({}, alice)
  const order = (more: object) => ({ node: 'another', target: alice, command: { do: 'disconnect', code: 'PUSH_FORBIDDEN' }, ...more })
  const bodies = ['', 'no JSON', '[]', 'null', '{}', ...[
    order({ node: 7 }), order({ target: 7 }), order({ target: {} }), order({ command: {} }), order({ command: { do: 'explode' } }), order({ command: { do: 'disconnect', code: 'constructor' } }),
    order({ command: { do: 'disconnect', code: 'PUSH_BAD_FRAME' } }), order({ command: { do: 'subscribe', channel: 'room/1', qos: 7 } })
  ].map((each) => JSON.stringify(each))]
  await storage.feed.broadcast('$control', bodies.map((body) => Buffer.from(body)))
  await settled()
  t.equal(peer.socket.ending, null)
  t.same(peer.all('subscribed'), [])
  t.same(errors, [])
  await storage.feed.broadcast('$control', [Buffer.from(JSON.stringify(order({ command: { do: 'subscribe', channel: 'unknown', qos: 1 } })))])
  await settled()
  t.match(errors, [{ code: 'PUSH_CHANNEL_UNKNOWN' }], 'a node that has not declared it')
  await storage.feed.broadcast('$control', [Buffer.from(JSON.stringify(order({})))])
  await settled()
  t.equal(peer.last('goodbye')?.code, 'PUSH_FORBIDDEN')
})

t.test('no client reaches the channel of the nodes', async (t) => {
  const { own } = await openNode({ channels: { '*': { history: true, clientPublish: true } } })
  const peer = await own({ subscriptions: [{ channel: '$control', qos: 0 }] }, alice)
  t.match(peer.last('welcome')?.subscriptions, [{ code: 'PUSH_CHANNEL_INVALID' }])
  await peer.send({ type: 'publish', channel: '$control', qos: 1, publisher: secret(), sequence: 1, data: {} })
  t.match(peer.last('refused'), { code: 'PUSH_CHANNEL_INVALID' })
})

t.test('connections that are gone are forgotten', async (t) => {
  const { own, control, service } = await openNode()
  const peers = await Promise.all([own({ clientId: 'a' }, alice), own({ clientId: 'b' }, alice), own({ clientId: 'a' }, bob)])
  t.equal(service.of(alice).length, 2)
  t.equal(service.of({ clientId: 'a' }).length, 2)
  const late = await own({ clientId: 'a' }, { userId: 'carol' })
  t.equal(service.of({ clientId: 'a' }).length, 3)
  for (const peer of [...peers, late]) await peer.cut()
  for (const target of [alice, { clientId: 'a' }, { userId: 'carol' }]) t.same(service.of(target), [])
  await control.clients(alice).disconnect()
  await settled()
})

t.test('groups', async (t) => {
  const groups = new Groups<{ name: string }>()
  const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name })) as [{ name: string }, { name: string }, { name: string }]
  groups.add('x', a)
  groups.add('x', a)
  t.same(groups.of('x'), [a])
  groups.remove('x', b)
  groups.add('x', b)
  groups.add('x', c)
  groups.add('y', c)
  t.same(groups.of('x'), [a, b, c])
  groups.remove('x', a)
  groups.remove('x', b)
  groups.remove('x', c)
  t.same(groups.of('x'), [])
  groups.remove('x', c)
  t.same(groups.of('y'), [c])
  groups.remove('y', c)
  t.same(groups.of('y'), [])
})
