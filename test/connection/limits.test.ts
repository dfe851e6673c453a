import t from 'tap'
import { Service } from '../../lib/connection/service.js'
import { FakePeer, openNode, settled } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'

const alice = { userId: 'alice' }
const tooMany = { code: 4429, reason: 'PUSH_TOO_MANY' }

t.test('[P-9.4] connections of one user', async (t) => {
  const { own, service } = await openNode({ limits: { connectionsPerUser: 2 } })
  const peers = [await own({}, alice), await own({}, alice)]
  const third = await own({}, alice)
  t.match(third.last('goodbye'), { code: 'PUSH_TOO_MANY', limit: 'connectionsPerUser', after: [Number, Number] })
  t.same(third.socket.ending, tooMany)
  t.equal(third.last('welcome'), undefined)
  t.equal((await own({}, { userId: 'bob' })).socket.ending, null, 'another user')
  for (let i = 0; i < 5; i++) t.equal((await own()).socket.ending, null, 'nobody counts as a user')
  await third.cut()
  await peers[0]?.cut()
  t.equal((await own({}, alice)).socket.ending, null, 'there is room again')
  t.equal(service.refused, 1)
})

t.test('[P-9.4] a session that comes back takes the place of its old connection', async (t) => {
  const { own, hello } = await openNode({ limits: { connectionsPerUser: 1 } })
  const session = secret()
  const old = await own({ session }, alice)
  const young = await hello({ session }, alice)
  t.equal(young.socket.ending, null)
  t.same((await hello({ session }, alice)).socket.ending, tooMany, 'but only one of it')
  await young.send({ type: 'ping' })
  t.same(old.socket.ending, { code: 4409, reason: 'PUSH_SUPERSEDED' })
  await old.cut()
  t.same((await own({}, alice)).socket.ending, tooMany)
  await young.cut()
  t.equal((await own({}, alice)).socket.ending, null, 'nothing is counted that is gone')
})

t.test('connections of one address, and of all', async (t) => {
  const { service, clock } = await openNode({ limits: { connectionsPerIp: 2, connections: 3 } })
  const warnings: object[] = []
  const log = { debug: () => {}, warn: (fields: object) => { warnings.push(fields) } }
  const from = (ip: string) => new FakePeer(service, null, { ip, log })
  const peers = [from('192.0.2.1'), from('192.0.2.1'), from('192.0.2.1')]
  t.match(peers[2]?.last('goodbye'), { code: 'PUSH_TOO_MANY', limit: 'connectionsPerIp', after: [Number, Number] })
  t.equal(service.atDoor('192.0.2.2', log), 'connections', 'also one that is being refused is one')
  t.match(from('192.0.2.2').last('goodbye'), { limit: 'connections' })
  t.same(warnings.map((fields) => (fields as { limit: string }).limit), ['connectionsPerIp', 'connections'], 'each is warned of once')
  await peers[2]?.cut()
  await peers[0]?.cut()
  await clock.advanceAsync(60_000)
  t.equal(from('192.0.2.1').socket.ending, null)
  t.equal(service.refused, 3)
})

t.test('with little memory nothing new begins, and what is there goes on', async (t) => {
  let used = 0.1
  const { broker, clock } = await openNode()
  const service = new Service(broker, () => used)
  const peer = new FakePeer(service, null)
  await peer.send({ type: 'hello', session: secret(), subscriptions: [{ channel: 'room/1', qos: 1 }] }, { type: 'ping' })
  used = 0.91
  await clock.advanceAsync(500)
  t.equal(service.atDoor('::1', { debug: () => {}, warn: () => {} }), 'heapUsed')
  await peer.send({ type: 'subscribe', id: 1, channel: 'room/2', qos: 1 }, { type: 'subscribe', id: 2, channel: 'room/1', qos: 1 })
  t.match(peer.last('error'), { id: 1, code: 'PUSH_BUSY', limit: 'heapUsed' })
  t.match(peer.last('subscribed'), { id: 2 })
  await broker.publish('room/1', 'on')
  await settled()
  t.same(peer.data, ['on'])
  used = 0.1
  await clock.advanceAsync(500)
  await peer.send({ type: 'subscribe', id: 3, channel: 'room/2', qos: 1 })
  t.match(peer.last('subscribed'), { id: 3 })
})

t.test('[P-9.3] a peer that is too fast is not read for a while, and nothing is lost', async (t) => {
  const { own, clock } = await openNode({ limits: { framesPerSecond: 10 } })
  const peer = await own()
  await peer.send(...Array(20).fill({ type: 'ping' }))
  t.equal(peer.socket.paused, true)
  t.equal(peer.all('pong').length, 21, 'what was read is answered')
  await clock.advanceAsync(2000)
  t.equal(peer.socket.paused, false)
  for (let i = 0; i < 20; i++) {
    peer.connection.receiveControl(0)
    await clock.advanceAsync(10)
  }
  t.equal(peer.socket.paused, true, 'pings of WebSocket count')
  t.equal(peer.socket.ending, null)
})

t.test('[P-9.3] what no pause makes up for', async (t) => {
  const { own, clock, broker } = await openNode({ limits: { bytesPerSecond: 1000, silence: '60s' } })
  const peer = await own()
  peer.connection.came(100_000)
  t.match(peer.last('goodbye'), { code: 'PUSH_TOO_MANY', limit: 'bytesPerSecond', after: [Number, Number] })
  t.same(peer.socket.ending, tooMany)
  await broker.close()
  t.equal(clock.pending, 0)
})

t.test('[P-7.3] a peer that is dead while it is not read is found dead', async (t) => {
  const { own, clock, broker } = await openNode({ limits: { framesPerSecond: 10, silence: '60s' }, heartbeat: { interval: '10s' } })
  const peer = await own()
  await peer.send(...Array(500).fill({ type: 'ping' }))
  t.equal(peer.socket.paused, true)
  await clock.advanceAsync(60_000)
  t.equal(peer.socket.paused, false)
  await clock.advanceAsync(20_000)
  t.equal(peer.socket.ending, 'terminated')
  await peer.cut()
  await broker.close()
  t.equal(clock.pending, 0)
})

t.test('[P-3.4] a refusal says which limit', async (t) => {
  const { own, hello } = await openNode({ limits: { subscriptions: 1, requestsInFlight: 2, publishesInFlight: 1 }, authorize: ({ channel }) => channel !== 'room/slow' || new Promise(() => {}) })
  const peer = await own()
  await peer.send({ type: 'subscribe', id: 1, channel: 'room/1', qos: 1 }, { type: 'subscribe', id: 2, channel: 'room/2', qos: 1 })
  t.match(peer.last('error'), { id: 2, code: 'PUSH_TOO_MANY', limit: 'subscriptions' })
  const greeted = await hello({ subscriptions: [{ channel: 'room/1', qos: 1 }, { channel: 'room/2', qos: 1 }] })
  t.match(greeted.last('welcome')?.subscriptions, [{ verdict: 'started' }, { code: 'PUSH_TOO_MANY', limit: 'subscriptions' }])
  const asking = await own()
  await asking.send(...[1, 2, 3].map((id) => ({ type: 'history', id, channel: 'room/slow' })))
  t.match(asking.last('goodbye'), { code: 'PUSH_TOO_MANY', limit: 'requestsInFlight' })
  const publishing = await own()
  await publishing.send(...[1, 2].map((sequence) => ({ type: 'publish', channel: 'room/slow', qos: 1, publisher: secret(), sequence, data: 1 })))
  t.match(publishing.last('goodbye'), { code: 'PUSH_TOO_MANY', limit: 'publishesInFlight' })
})
