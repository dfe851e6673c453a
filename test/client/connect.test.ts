import t from 'tap'
import { HELLO_PREFIX, SUBPROTOCOL } from '../../lib/protocol/version.js'
import { PushError } from '../../lib/core/errors.js'
import { memoryStore, outcomeOf, setUp, setUpLive } from './helpers.js'

t.test('[P-2.1] [P-2.3] [P-2.4] the hello travels in the upgrade, with what was subscribed in the same turn', async (t) => {
  const { client, platform, pass } = setUp({ clientId: 'alice-phone', token: 'tökén' })
  t.equal(client.state, 'idle')
  client.channel('room/1').subscribe(() => {}, { qos: 2, rewind: 3 })
  await pass()
  t.equal(client.state, 'connecting')
  const { protocols, hello } = platform.last
  t.equal(protocols[0], SUBPROTOCOL)
  t.ok(protocols[1]?.startsWith(HELLO_PREFIX))
  t.same(hello, { type: 'hello', session: 'secret-000000000000001', clientId: 'alice-phone', token: 'tökén', subscriptions: [{ channel: 'room/1', qos: 2, rewind: 3 }] })
  platform.last.welcome()
  t.equal(client.state, 'live')
})

t.test('[P-2.3] a long hello is the first frame', async (t) => {
  const { client, platform, pass } = setUp({ token: async () => 'x'.repeat(4000) })
  await pass()
  t.same(platform.last.protocols, [SUBPROTOCOL])
  platform.last.welcome()
  t.equal(platform.last.frames[0]?.type, 'hello')
  t.equal(client.state, 'live')
})

t.test('[P-2.4] what does not fit into a hello is subscribed to after the welcome', async (t) => {
  const { client, platform, pass } = setUp()
  for (let i = 0; i < 800; i++) client.channel(`room/${'x'.repeat(100)}${i}`).subscribe(() => {})
  await pass()
  platform.last.open()
  const first = platform.last.hello.subscriptions?.length ?? 0
  t.ok(first > 100 && first < 800)
  platform.last.welcome()
  t.equal(platform.last.of('subscribe').length, 800 - first)
})

t.test('[P-2.7] a frame is always sent after the welcome', async (t) => {
  const { socket } = await setUpLive()
  t.same(socket.frames, [{ type: 'pong' }])
})

t.test('a token that cannot be had is an error, and tried again', async (t) => {
  let fails = 2
  const { errors, platform, client, pass } = setUp({ token: () => { if (fails-- === 2) throw new Error('sync'); return fails === 0 ? Promise.reject(new Error('async')) : 'ok' } })
  await pass()
  t.same(errors, ['PUSH_UNAVAILABLE'])
  t.equal(client.state, 'waiting')
  await pass(2_000)
  t.same(errors, ['PUSH_UNAVAILABLE', 'PUSH_UNAVAILABLE'])
  t.equal(platform.last.hello.token, 'ok')
})

t.test('[P-2.4] a token of null is none; one that the protocol does not take is not sent, and asked for again', async (t) => {
  const tokens = [5, 'x'.repeat(8_193), null]
  const { errors, platform, client, pass } = setUp({ token: () => tokens.shift() as string })
  await pass()
  t.equal(client.state, 'waiting')
  await pass(2_000)
  t.same(errors, ['PUSH_INVALID', 'PUSH_INVALID'])
  t.equal(platform.sockets.length, 1)
  t.notOk('token' in platform.last.hello)
})

t.test('a token that the server does not take is asked for once more, at once; the second refusal ends the client', async (t) => {
  let asked = 0
  const { errors, platform, client, socket, pass } = await setUpLive({ token: () => `token-${++asked}` })
  await pass(10_000)
  socket.drop(4401, 'PUSH_UNAUTHENTICATED')
  await pass()
  t.equal(platform.last.hello.token, 'token-2')
  platform.last.welcome()
  await pass(10_000)
  platform.last.drop(4401, 'PUSH_UNAUTHENTICATED')
  await pass()
  t.equal(platform.last.hello.token, 'token-3')
  t.same(errors, [])
  platform.last.welcome() // being welcomed is not enough: a server might do so before it looks
  platform.last.drop(4401, 'PUSH_UNAUTHENTICATED')
  t.equal(client.state, 'closed')
  t.same(errors, ['PUSH_UNAUTHENTICATED'])
  t.equal(asked, 3)
})

t.test('each step of connecting is bounded', async (t) => {
  const { errors, platform, client, pass } = setUp({ token: () => new Promise(() => {}) })
  await pass(8_000)
  t.same(errors, ['PUSH_TIMEOUT'])
  t.equal(platform.sockets.length, 0)
  await client.close()
  const second = setUp()
  await second.pass(8_000)
  t.equal(second.platform.last.state, 'abandoned')
  await second.pass(1_000)
  t.equal(second.platform.sockets.length, 2)
  second.platform.last.open()
  await second.pass(7_999)
  t.equal(second.platform.last.state, 'open')
  await second.pass(1)
  t.same(second.errors, ['PUSH_TIMEOUT', 'PUSH_TIMEOUT'])
})

t.test('a platform that throws on connecting is an error, and tried again', async (t) => {
  const { platform, errors, client, pass } = setUp()
  platform.refuse = new Error('bad url')
  await pass()
  t.same(errors, ['PUSH_UNAVAILABLE'])
  platform.refuse = null
  await pass(1_000)
  platform.last.welcome()
  t.equal(client.state, 'live')
})

t.test('[P-8.2] codes that say never end the client, and everything that waits with it', async (t) => {
  const states: unknown[] = []
  const { client, errors, socket, platform, pass } = await setUpLive()
  client.on('state', (state, error) => states.push([state, error?.code]))
  const room = client.channel('room/1')
  const ready = outcomeOf(room.subscribe(() => {}).ready)
  const sent = outcomeOf(room.publish('a', { qos: 2 }))
  const history = outcomeOf(room.history())
  socket.drop(4409, 'PUSH_SUPERSEDED')
  const unsent = outcomeOf(room.publish('b'))
  const late = outcomeOf(room.subscribe(() => {}).ready)
  await pass(60_000)
  t.same(states, [['closed', 'PUSH_SUPERSEDED']])
  t.same(errors, ['PUSH_SUPERSEDED'])
  t.equal(ready.code, 'PUSH_SUPERSEDED')
  t.equal(late.code, 'PUSH_SUPERSEDED')
  t.equal(history.code, 'PUSH_SUPERSEDED')
  t.match(sent, { code: 'PUSH_UNKNOWN', id: 'secret-000000000000002.1' })
  t.equal(unsent.code, 'PUSH_SUPERSEDED')
  t.equal(platform.sockets.length, 1)
  client.connect()
  client.reconnect()
  t.equal(platform.sockets.length, 1)
  t.equal(platform.manual.pending, 0)
  t.equal(platform.listeners.size, 0)
})

t.test('[P-8.2] [P-11.1] other close codes come back, 1000 without our reason too', async (t) => {
  for (const [code, reason, state] of [[1000, '', 'waiting'], [1000, 'PUSH_CLOSED', 'closed'], [1006, '', 'waiting'], [4999, 'PUSH_NEW', 'waiting'], [4401, '', 'closed'], [1012, '', 'waiting'], [4408, '', 'waiting'], [4429, '', 'waiting'], [4500, '', 'waiting'], [4503, 'PUSH_UNAVAILABLE', 'waiting']] as const) {
    const { client, socket } = await setUpLive()
    socket.drop(code, reason)
    t.equal(client.state, state, String(code))
  }
  const { client, socket } = await setUpLive()
  socket.events.close(undefined, undefined)
  t.equal(client.state, 'waiting')
})

t.test('[P-8.1] goodbye: comes back within its range, and nothing shortens that', async (t) => {
  const { client, socket, platform, pass } = await setUpLive()
  await pass(1_000)
  socket.say({ type: 'goodbye', code: 'PUSH_GOING_AWAY', after: [1_000, 3_000] })
  t.equal(client.state, 'live')
  socket.drop(1012, 'PUSH_GOING_AWAY')
  t.equal(client.state, 'waiting')
  platform.notice('online')
  platform.notice('offline')
  await pass(1_999)
  t.equal(platform.sockets.length, 1)
  await pass(1)
  t.equal(platform.sockets.length, 2)
})

t.test('[P-8.1] a goodbye whose server lingers is left at the moment drawn; its code counts over the close code', async (t) => {
  const { client, socket, platform, pass } = await setUpLive()
  await pass(1_000)
  socket.say({ type: 'goodbye', code: 'PUSH_GOING_AWAY', after: [0, 200] })
  await pass(100)
  t.equal(socket.state, 'abandoned')
  platform.last.welcome().say({ type: 'goodbye', code: 'PUSH_FORBIDDEN' })
  platform.last.drop(1006)
  t.equal(client.state, 'closed')
})

t.test('backoff: within the spread at first, then full jitter with a doubling bound, anew after 10 s live', async (t) => {
  const { platform, socket, pass } = await setUpLive({}, undefined, { spread: 4_000 })
  const delays: number[] = []
  const untilNext = async () => {
    const before = platform.sockets.length
    let waited = 0
    for (; platform.sockets.length === before; waited += 50) await pass(50)
    delays.push(waited)
  }
  await pass(5_000)
  socket.drop()
  await untilNext()
  for (let i = 0; i < 8; i++) {
    platform.last.drop()
    await untilNext()
  }
  platform.last.welcome()
  await pass(10_000)
  platform.last.drop()
  await untilNext()
  t.same(delays, [2_000, 350, 600, 1_100, 2_100, 4_100, 8_100, 10_100, 10_100, 150])
})

t.test('evidence: online brings an attempt at once, with a floor between attempts', async (t) => {
  const { platform, client, socket, pass } = await setUpLive()
  await pass(20_000)
  socket.drop()
  platform.notice('offline')
  t.equal(client.state, 'offline')
  await pass(20_000)
  t.equal(platform.sockets.length, 1)
  platform.notice('online')
  await pass()
  t.equal(platform.sockets.length, 2)
  platform.last.drop()
  t.equal(client.state, 'waiting')
  await pass(249)
  t.equal(platform.sockets.length, 2)
  await pass(1)
  t.equal(platform.sockets.length, 3)
  platform.last.drop() // what was noticed explains one end, not the next
  platform.notice('visible')
  await pass(250)
  t.equal(platform.sockets.length, 4)
  await pass(2_500)
  platform.notice('online')
  t.equal(platform.sockets.length, 5)
  t.equal(platform.sockets[3]?.state, 'abandoned')
  platform.notice('online')
  t.equal(platform.sockets.length, 5)
})

t.test('evidence: offline is not believed for ever, and a lost link says offline', async (t) => {
  const { platform, client, socket, pass } = await setUpLive()
  platform.notice('offline')
  t.equal(client.state, 'live')
  socket.drop()
  t.equal(client.state, 'offline')
  await pass(59_999)
  t.equal(platform.sockets.length, 1)
  await pass(1)
  t.equal(platform.sockets.length, 2)
  platform.last.drop()
  platform.notice('visible')
  await pass(250)
  t.equal(platform.sockets.length, 3)
})

t.test('evidence: a live link is probed, and abandoned if it does not answer', async (t) => {
  const { platform, client, socket, errors, pass } = await setUpLive()
  platform.notice('visible')
  platform.notice('resumed')
  t.equal(socket.of('ping').length, 2)
  socket.say({ type: 'pong' })
  await pass(10_000)
  t.equal(client.state, 'live')
  platform.notice('online')
  await pass(5_000)
  platform.notice('online')
  await pass(5_000)
  t.equal(socket.state, 'abandoned')
  t.same(errors, ['PUSH_TIMEOUT'])
})

t.test('[P-7.1] heartbeat: answers pings; any frame counts; silence ends the link', async (t) => {
  const { platform, client, socket, pass } = await setUpLive()
  socket.say({ type: 'ping' })
  t.equal(socket.of('pong').length, 2, 'the first one said that it stays')
  await pass(34_000)
  socket.say({ type: 'ping' })
  await pass(34_999)
  t.equal(client.state, 'live')
  await pass(1)
  t.equal(client.state, 'waiting')
  t.equal(socket.state, 'abandoned')
  await pass(1_000)
  t.equal(platform.sockets.length, 2)
})

t.test('[P-7.1] heartbeat: a timer that fired late gives frames that wait one more chance', async (t) => {
  for (const answers of [true, false]) {
    const { platform, client, socket, pass } = await setUpLive()
    platform.stalled = 60_000
    await pass(35_000)
    t.equal(client.state, 'live')
    t.equal(socket.of('ping').length, 1)
    if (answers) socket.say({ type: 'pong' })
    platform.stalled += 60_000 // late again: but it was given its chance
    await pass(10_000)
    t.equal(client.state, answers ? 'live' : 'waiting')
  }
})

t.test('late events of an old link change nothing', async (t) => {
  const { platform, client, socket, pass } = await setUpLive()
  const got: unknown[] = []
  client.channel('a').subscribe(({ data }) => got.push(data))
  client.reconnect()
  t.equal(socket.state, 'abandoned')
  const { last } = platform
  last.welcome()
  socket.records('a', 1)
  socket.open()
  socket.drop(4409, 'PUSH_SUPERSEDED')
  await pass(1_000)
  t.equal(client.state, 'live')
  t.same(got, [])
  t.equal(platform.sockets.length, 2)
  last.records('a', 1)
  t.same(got, [1])
})

t.test('a token that comes after its attempt was given up opens nothing', async (t) => {
  const tokens: Array<(token: string) => void> = []
  const { platform, client, pass } = setUp({ token: () => new Promise((resolve) => tokens.push(resolve)) })
  await pass()
  client.reconnect()
  tokens[0]?.('old')
  await pass()
  t.equal(platform.sockets.length, 0)
  tokens[1]?.('new')
  await pass()
  t.equal(platform.last.hello.token, 'new')
})

t.test('a server that breaks the protocol is left and tried again later', async (t) => {
  const { client, socket, errors } = await setUpLive()
  socket.events.message('not json')
  t.equal(client.state, 'waiting')
  t.equal(socket.state, 'abandoned')
  t.same(errors, ['PUSH_BAD_FRAME'])
})

t.test('[P-9.1] frames of a newer server, errors of nothing in particular and frames before the welcome are passed over', async (t) => {
  const { client, platform, pass } = setUp()
  await pass()
  platform.last.open()
  platform.last.say({ type: 'pong' })
  t.equal(client.state, 'connecting')
  platform.last.welcome()
  platform.last.say({ type: 'novelty' } as never, { type: 'error', code: 'PUSH_BAD_FRAME', text: '' }, { type: 'error', id: 99, code: 'PUSH_BAD_FRAME', text: '' })
  t.equal(client.state, 'live')
})

t.test('20 reconnects leave no timers behind', async (t) => {
  const { platform, client, pass } = await setUpLive()
  client.channel('a').subscribe(() => {})
  await pass(100)
  for (let i = 0; i < 20; i++) {
    if (i % 2 === 0) client.reconnect()
    else platform.last.drop()
    await pass(1_000)
    platform.last.welcome()
    await pass(10_000)
  }
  await pass(100)
  t.equal(platform.sockets.length, 21)
  t.equal(platform.manual.pending, 1) // the heartbeat
  const closed = client.close()
  platform.last.drop(1000, 'PUSH_CLOSED')
  await closed
  t.equal(platform.manual.pending, 0)
})

t.test('listeners that throw, or call back, do not harm the client', async (t) => {
  const { platform, client, errors, pass } = setUp({ connect: false })
  client.on('error', () => { throw new Error('in the error listener') })
  const off = client.on('state', () => { throw new Error('in a listener') })
  client.on('state', async () => { throw new Error('in an async listener') })
  client.connect()
  await pass()
  t.same(errors, ['PUSH_HANDLER_FAILED', 'PUSH_HANDLER_FAILED'])
  off()
  client.connect()
  t.equal(platform.sockets.length, 1)
  const release = client.on('state', (state) => { if (state === 'waiting') client.reconnect() })
  platform.last.welcome()
  platform.last.drop()
  t.equal(platform.sockets.length, 2)
  release()
})

t.test('a listener that begins anew while the old link ends is heeded', async (t) => {
  const { client, platform, socket } = await setUpLive()
  client.on('error', (error) => { if (error.code === 'PUSH_BAD_FRAME') client.reconnect() })
  socket.events.message('{')
  t.equal(platform.sockets.length, 2)
  t.equal(client.state, 'connecting')
  client.on('state', (state) => { if (state === 'connecting') client.close({ timeout: 0 }) })
  client.reconnect()
  await platform.pass(10)
  t.equal(client.state, 'closed')
})

t.test('hiding: acknowledgements and the store are flushed', async (t) => {
  const store = memoryStore()
  const { socket, platform, pass } = await setUpLive({ store, ackDelay: 500 }, (client) => client.channel('a').subscribe(() => {}))
  socket.records('a', 1)
  t.equal(socket.of('ack').length, 0)
  platform.notice('hidden')
  t.equal(socket.of('ack').length, 1)
  t.match([...store.values.values()][0], '"a":{"epoch":"e","offset":1}')
  platform.notice('hiding')
  await pass(1_000)
  t.equal(socket.of('ack').length, 1)
})

t.test('options that can never work are refused', (t) => {
  t.throws(() => setUp({ clientId: 'a b' }), { code: 'PUSH_OPTIONS' })
  t.throws(() => setUp({ clientId: 5 as never }), { code: 'PUSH_OPTIONS' })
  const { client } = setUp()
  t.throws(() => client.channel('a//b'), { code: 'PUSH_CHANNEL_INVALID' })
  t.ok(new PushError('PUSH_CLOSED') instanceof Error)
  t.end()
})

t.test('[P-2.7] a welcome that comes on a link given up already is not heeded', async (t) => {
  const { platform, client, pass } = setUp()
  await pass()
  const old = platform.last
  client.reconnect()
  old.open()
  old.say({
    type: 'welcome', clientId: 'c', resumed: true, sessionTtl: 1, heartbeat: { interval: 1, timeout: 1 }, spread: 0, limits: { frameBytes: 1, publishesInFlight: 1 }, subscriptions: []
  })
  old.events.message('not json')
  t.equal(client.state, 'connecting')
  t.same(old.frames, [])
  platform.last.welcome()
  t.equal(client.state, 'live')
})
