import t from 'tap'
import type { FastifyRequest } from 'fastify'
import type { HookName, PresenceChange, PublishEvent } from '../../types/hooks.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { FakePeer, openNode, overStorage, settled, type NodeOptions } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'

const room = 'room/1'
const alice = { userId: 'alice', claims: { age: 7 } }
const client = { clientId: 'phone', ...alice }
const hello = { clientId: 'phone' }
const no = (statusCode: number) => () => { throw Object.assign(new Error('no'), { statusCode }) }

/** A node that keeps what its hooks are told. */
async function open (hooks: Partial<Record<HookName, (event: never) => unknown>> = {}, options: NodeOptions = {}) {
  const node = await openNode(options)
  const heard: Array<readonly [string, unknown]> = []
  const listen = (...names: HookName[]) => {
    for (const name of names) node.broker.hooks.add(node.broker.hooks.root, name, (event: unknown) => { heard.push([name, event]) })
  }
  for (const [name, hook] of Object.entries(hooks)) node.broker.hooks.add(node.broker.hooks.root, name as HookName, hook)
  return { ...node, heard, listen, of: (name: HookName) => heard.filter((each) => each[0] === name).map((each) => each[1]) }
}

const subscriptions = (qos = 1, more: object = {}) => ({ subscriptions: [{ channel: room, qos, ...more }] })
const publish = (sequence: number, more: object = {}) => ({ type: 'publish', channel: room, qos: 1, sequence, data: sequence, ...more })

t.test('onConnect: who it is and the request; awaited before the welcome', async (t) => {
  const { service, heard, listen } = await open({ onConnect: () => settled() })
  listen('onConnect')
  const request = { id: 'req-1' } as unknown as FastifyRequest
  const peer = new FakePeer(service, alice, { request })
  peer.connection.receive(JSON.stringify({ type: 'hello', session: secret(), ...hello }))
  t.equal(peer.last('welcome'), undefined)
  await settled()
  await settled()
  t.same(heard, [['onConnect', { client, request }]])
  t.equal(peer.last('welcome')?.clientId, 'phone')
})

t.test('onConnect refuses; nothing begins, and onDisconnect is not told', async (t) => {
  for (const [hook, code, close] of [[no(403), 'PUSH_FORBIDDEN', 4403], [no(500), 'PUSH_UNAVAILABLE', 4503]] as const) {
    const { hello: say, of, listen, service } = await open({ onConnect: hook })
    listen('onDisconnect', 'onSubscribe')
    const peer = await say({ ...hello, ...subscriptions() }, alice)
    t.match(peer.last('goodbye'), { code })
    t.same(peer.socket.ending, { code: close, reason: code })
    await peer.cut()
    t.same([of('onDisconnect'), of('onSubscribe'), service.size], [[], [], 0])
  }
})

t.test('onConnect that hangs', async (t) => {
  const { hello: say, clock } = await open({ onConnect: () => new Promise(() => {}) }, { limits: { hookTimeout: 50 } })
  const peer = await say()
  await clock.advanceAsync(50)
  t.match(peer.last('goodbye'), { code: 'PUSH_UNAVAILABLE' })
})

t.test('onDisconnect: once, with the code it ended with', async (t) => {
  const { own, of, listen, broker, service } = await open()
  listen('onDisconnect')
  const ends: [(peer: FakePeer) => unknown, string | null][] = [
    [(peer) => peer.connection.end('PUSH_TOO_MANY'), 'PUSH_TOO_MANY'],
    [(peer) => peer.connection.drop('PUSH_TIMEOUT'), 'PUSH_TIMEOUT'],
    [(peer) => peer.connection.closed(1000), 'PUSH_CLOSED'],
    [(peer) => peer.connection.closed(1001), null],
    [(peer) => peer.connection.closed(), null]
  ]
  for (const [end, code] of ends) {
    const peer = await own(hello, alice)
    end(peer)
    await peer.cut()
    t.same(of('onDisconnect').at(-1), { client, code })
  }
  t.equal(of('onDisconnect').length, ends.length)
  await own(hello, alice)
  await own(hello, alice)
  t.same(of('onDisconnect').at(-1), { client, code: 'PUSH_SUPERSEDED' })
  await new FakePeer(service, null).cut()
  t.equal(of('onDisconnect').length, ends.length + 1, 'one that never said hello was never let in')
  await broker.close()
})

t.test('a connection that ends while onConnect is at work is told once that has let it in', async (t) => {
  let letIn = () => {}
  const { hello: say, of, listen } = await open({ onConnect: () => new Promise<void>((resolve) => { letIn = resolve }) })
  listen('onDisconnect')
  const peer = await say(hello, alice)
  await peer.cut()
  t.same(of('onDisconnect'), [])
  letIn()
  await settled()
  t.same(of('onDisconnect'), [{ client, code: null }])
})

t.test('onSubscribe: who, what and how, on subscribing and on coming back; it may refuse', async (t) => {
  const { own, of, listen } = await open({ onSubscribe: ({ params }: { params: { id: string } }) => { if (params.id === '2') no(403)() } })
  listen('onSubscribe')
  const peer = await own({ ...hello, ...subscriptions(2) }, alice)
  t.same(of('onSubscribe'), [{ channel: room, params: { id: '1' }, client, qos: 2, by: 'client' }])
  await peer.send({ type: 'subscribe', id: 1, channel: 'room/2', qos: 1 }, { type: 'subscribe', id: 2, channel: 'room/3', qos: 0 })
  t.match(peer.last('error'), { id: 1, code: 'PUSH_FORBIDDEN' })
  t.match(peer.last('subscribed'), { id: 2, channel: 'room/3' })
  const back = await own({ ...hello, subscriptions: [{ channel: 'room/2', qos: 1 }, { channel: room, qos: 1 }] }, alice)
  t.match(back.last('welcome')?.subscriptions, [{ channel: 'room/2', code: 'PUSH_FORBIDDEN' }, { channel: room, verdict: 'resumed' }])
})

t.test('onSubscribe is not asked where authorize said no', async (t) => {
  const { own, of, listen } = await open({}, { authorize: () => false })
  listen('onSubscribe')
  const peer = await own()
  await peer.send({ type: 'subscribe', id: 1, channel: room, qos: 1 })
  t.match(peer.last('error'), { code: 'PUSH_FORBIDDEN' })
  t.same(of('onSubscribe'), [])
})

t.test('onUnsubscribe: on the client’s word, and only of what it followed', async (t) => {
  const { own, heard, listen } = await open()
  listen('onUnsubscribe')
  const peer = await own({ ...hello, ...subscriptions() }, alice)
  await peer.send({ type: 'unsubscribe', id: 1, channel: room }, { type: 'unsubscribe', id: 2, channel: room })
  t.same(heard, [['onUnsubscribe', { channel: room, params: { id: '1' }, client, by: 'client' }]])
  const other = await own({ clientId: 'other', ...subscriptions() })
  await other.cut()
  t.equal(heard.length, 1)
})

t.test('what the host does to clients is told, and refused by nobody', async (t) => {
  const { own, heard, listen, control, errors } = await open({ onSubscribe: ({ by }: { by: string }) => { if (by === 'server') no(403)() } })
  listen('onSubscribe', 'onUnsubscribe')
  const peer = await own(hello, alice)
  await control.clients({ userId: 'alice' }).subscribe(room, { qos: 2 })
  await settled()
  t.match(peer.last('subscribed'), { channel: room, qos: 2 })
  await control.clients({ userId: 'alice' }).unsubscribe(room)
  await settled()
  t.same(heard, [['onUnsubscribe', { channel: room, params: { id: '1' }, client, by: 'server' }]], 'the hook before it threw')
  t.same(errors, [])
  const { control: other, own: ownOther, of, listen: listenOther } = await open()
  listenOther('onSubscribe')
  await ownOther(hello, alice)
  await other.clients({ userId: 'alice' }).subscribe(room)
  await settled()
  t.same(of('onSubscribe'), [{ channel: room, params: { id: '1' }, client, qos: 1, by: 'server' }])
})

t.test('onPublish of clients: what is stored is what it makes of the data; repeats do not reach it', async (t) => {
  const asked: PublishEvent[] = []
  const { own, broker } = await open({
    onPublish: async (event: PublishEvent) => {
      asked.push(event)
      return { n: event.data, by: event.client?.userId }
    }
  })
  const peer = await own(hello, alice)
  const publisher = secret()
  await peer.send(publish(1, { publisher }), publish(2, { id: 'mine' }), { type: 'publish', channel: room, qos: 0, data: 3 })
  t.match(asked, [
    { channel: room, params: { id: '1' }, data: 1, id: `${publisher}.1`, qos: 1, client },
    { data: 2, id: 'mine' },
    { data: 3, qos: 0 }
  ].sort((a, b) => asked.findIndex(({ data }) => data === a.data) - asked.findIndex(({ data }) => data === b.data)))
  const stored = (await broker.history(room)).messages.map(({ data }) => data)
  t.same(new Set(stored.map((data) => (data as { n: number }).n)), new Set([1, 2, 3]))
  t.same(stored[0], { n: (stored[0] as { n: number }).n, by: 'alice' })
  await peer.send(publish(1, { publisher }), publish(2, { id: 'mine' }))
  t.equal(asked.length, 3)
  t.match(peer.last('published'), { duplicate: true })
  const other = await own({ clientId: 'other' })
  await other.send(publish(1, { publisher: secret(), id: 'mine', data: 2 }))
  t.match(other.last('published'), { duplicate: true }, 'the same as it came in')
  t.equal(asked.length, 3)
  await other.send(publish(2, { publisher: secret(), id: 'mine', data: 5 }))
  t.match(other.last('refused'), { code: 'PUSH_ID_CONFLICT' })
})

t.test('onPublish of clients: a run keeps its order, whatever time each takes; a refusal stops it', async (t) => {
  const { own, broker, clock } = await open({
    onPublish: ({ data }: PublishEvent) => {
      if (data === 3) return no(403)()
      return new Promise<void>((resolve) => { clock.after(10 - (data as number), resolve) })
    }
  })
  const peer = await own()
  await peer.send(publish(1, { publisher: secret() }), publish(2), publish(3), publish(4))
  await clock.advanceAsync(100)
  await settled()
  t.same((await broker.history(room)).messages.map(({ data }) => data), [1, 2])
  t.match(peer.last('refused'), { sequence: 3, code: 'PUSH_FORBIDDEN' })
  t.equal(peer.all('published').reduce((sum, { count }) => sum + count, 0), 2)
})

t.test('onPublish that hangs refuses in time', async (t) => {
  const { own, clock, broker } = await open({ onPublish: () => new Promise(() => {}) }, { limits: { hookTimeout: 50 } })
  const peer = await own()
  await peer.send(publish(1, { publisher: secret() }))
  const served = t.rejects(broker.publish(room, 1), { code: 'PUSH_UNAVAILABLE' })
  await clock.advanceAsync(50)
  await served
  await settled()
  t.match(peer.last('refused'), { code: 'PUSH_UNAVAILABLE' })
  t.equal((await broker.history(room)).messages.length, 0)
})

t.test('onPublish of the server: client is null; refused, changed, recognised before it, and in the order of the calls', async (t) => {
  const asked: PublishEvent[] = []
  const { broker, clock, failures } = await open({
    onPublish: async (event: PublishEvent) => {
      asked.push(event)
      if (event.data === 'no') no(403)()
      if (typeof event.data === 'number') await new Promise<void>((resolve) => { clock.after(100 - (event.data as number) * 10, resolve) })
      return typeof event.data === 'object' ? Object.assign(event.data as object, { seen: true }) : undefined
    }
  })
  await t.rejects(broker.publish(room, 'no', { id: 'refused' }), { code: 'PUSH_FORBIDDEN', id: 'refused' })
  t.equal(failures.length, 1)
  const first = await broker.publish(room, { a: 1 }, { id: 'x' })
  t.match(asked.at(-1), { channel: room, params: { id: '1' }, id: 'x', qos: 1, client: null })
  t.same(await broker.publish(room, { a: 1 }, { id: 'x' }), { ...first, duplicate: true }, 'the same as it came in')
  await t.rejects(broker.publish(room, { a: 2 }, { id: 'x' }), { code: 'PUSH_ID_CONFLICT', id: 'x' })
  t.equal(asked.length, 2)
  const calls = [0, 5, 9].map((n) => broker.publish(room, n, n === 5 ? { id: 'five' } : n === 9 ? { wait: 'accepted' } : {}))
  await clock.advanceAsync(200)
  await Promise.all(calls)
  await settled()
  t.same((await broker.history(room)).messages.map(({ data }) => data), [{ a: 1, seen: true }, 0, 5, 9])
})

t.test('onDeliver and onAck: once a batch and subscription, with positions', async (t) => {
  const { own, of, listen, broker } = await open()
  listen('onDeliver', 'onAck', 'onRedeliver')
  const peer = await own({ ...hello, ...subscriptions() }, alice)
  await own(subscriptions(0))
  const results = await Promise.all([1, 2, 3].map((n) => broker.publish(room, n)))
  await settled()
  const epoch = results[0]?.position?.epoch
  const delivered = of('onDeliver') as { client: { clientId: string } }[]
  t.equal(delivered.length, 2)
  t.same(delivered.find((each) => each.client.clientId === 'phone'), { channel: room, client, epoch, from: 1, to: 3 })
  await peer.send({ type: 'ack', positions: [{ channel: room, epoch, offset: 2 }] }, { type: 'ack', positions: [{ channel: room, epoch, offset: 2 }] })
  t.same(of('onAck'), [{ channel: room, client, position: { epoch, offset: 2 } }])
  t.same(of('onRedeliver'), [])
  await broker.publish('quiet/1', 'no place in the log', { qos: 0 })
  t.equal(delivered.length, 2)
})

t.test('onRedeliver: what came before a subscription was back, and not what comes afterwards', async (t) => {
  const { own, of, listen, broker } = await open()
  const first = await own({ ...hello, ...subscriptions() }, alice)
  const { position } = await broker.publish(room, 1)
  await settled()
  await first.send({ type: 'ack', positions: [{ channel: room, ...position }] })
  await first.cut()
  for (const n of [2, 3]) await broker.publish(room, n)
  listen('onDeliver', 'onRedeliver')
  const back = await own({ ...hello, ...subscriptions() }, alice)
  const { epoch } = position as { epoch: string }
  t.same(back.data, [2, 3])
  t.same(of('onRedeliver'), [{ channel: room, client, epoch, from: 2, to: 3 }])
  await broker.publish(room, 4)
  await settled()
  t.same(back.data, [2, 3, 4])
  t.equal(of('onRedeliver').length, 1)
  t.same(of('onDeliver').map((each) => (each as { to: number }).to), [3, 4])
  await own({ clientId: 'other', ...subscriptions(1, { rewind: 4 }) })
  t.equal(of('onRedeliver').length, 1, 'one that is new has missed nothing')
})

t.test('onRedeliver ends where it was back, and with the log it came back to', async (t) => {
  for (const anew of [false, true]) {
    const clock = new ManualClock()
    const log = { anew: false, held: Promise.resolve() }
    const storage = overStorage(memoryStorage({ clock }), {
      log: (original) => ({
        async read (channel, query) {
          if (query.limit > 0) await log.held
          return { ...await original.read(channel, query), ...(log.anew ? { epoch: 'anew' } : {}) }
        }
      })
    })
    const { own, of, listen, broker } = await open({}, { clock, storage })
    listen('onDeliver', 'onRedeliver')
    await (await own({ ...hello, ...subscriptions() }, alice)).cut()
    for (const n of [1, 2]) await broker.publish(room, n)
    let release = () => {}
    log.held = new Promise((resolve) => { release = resolve })
    const back = await own({ ...hello, ...subscriptions() }, alice)
    await broker.publish(room, 3)
    log.anew = anew
    release()
    await settled()
    t.same(back.data, [1, 2, 3])
    t.match(of('onDeliver'), [{ from: 1, to: 3, epoch: anew ? 'anew' : /./ }])
    t.match(of('onRedeliver'), anew ? [] : [{ from: 1, to: 2 }])
    t.equal(of('onRedeliver').length, anew ? 0 : 1)
  }
})

t.test('onGap: in the verdict and on the way', async (t) => {
  const { own, of, listen, broker } = await open({}, { channels: { 'room/:id': { history: { limit: 2 } } } })
  listen('onGap')
  const first = await own({ ...hello, ...subscriptions() }, alice)
  const { position } = await broker.publish(room, 1)
  await settled()
  await first.send({ type: 'ack', positions: [{ channel: room, ...position }] })
  await first.cut()
  for (const n of [2, 3, 4, 5]) await broker.publish(room, n)
  const back = await own({ ...hello, ...subscriptions() }, alice)
  t.match(back.last('welcome')?.subscriptions, [{ verdict: 'lost' }])
  t.same(of('onGap'), [{ channel: room, client, gap: { channel: room, reason: 'retention', from: 2, to: 3, count: 2, position: { epoch: position?.epoch, offset: 3 } } }])
  back.socket.full = true
  for (let i = 0; i < 5; i++) {
    await broker.publish(room, 'x'.repeat(400_000))
    await settled()
  }
  await back.drain()
  await back.send({ type: 'ack', positions: [{ channel: room, epoch: position?.epoch, offset: 5 }] })
  t.match(of('onGap').at(-1), { client, gap: { reason: 'retention' } })
  t.equal(of('onGap').length, back.all('gap').length + 1)
})

t.test('onDrop: what did not keep up, and what was given up', async (t) => {
  const { own, of, listen, broker, clock } = await open({}, {
    channels: { 'room/:id': { slow: 'drop' } },
    limits: { window: 1, slowAfter: 100, bufferedBytes: 1000 }
  })
  listen('onDrop', 'onGap')
  const slow = await own({ ...hello, ...subscriptions() }, alice)
  const { position } = await broker.publish(room, 1)
  for (const n of [2, 3]) await broker.publish(room, n)
  await clock.advanceAsync(200)
  await broker.publish(room, 4)
  await settled()
  await slow.send({ type: 'ack', positions: [{ channel: room, ...position }] })
  t.same(of('onDrop'), [{ channel: room, client, count: 3, reason: 'slow' }])
  t.match(of('onGap'), [{ gap: { reason: 'slow', from: 2, to: 4 } }])
  await slow.send({ type: 'drop', channel: room, epoch: position?.epoch, offset: 4 }, { type: 'drop', channel: 'room/9', epoch: 'e', offset: 4 })
  t.same(of('onDrop').at(-1), { channel: room, client, count: 1, reason: 'given-up' })
  t.equal(broker.stats().givenUp, 1)
  const zero = await own({ clientId: 'zero', subscriptions: [{ channel: 'room/2', qos: 0 }] })
  zero.socket.full = true
  for (const qos of [1, 1, 0] as const) {
    await broker.publish('room/2', 'x'.repeat(1200), { qos })
    await settled()
  }
  const missed = of('onDrop').filter((each) => (each as { client: { clientId: string } }).client.clientId === 'zero') as { count: number, reason: string }[]
  t.ok(missed.length > 0 && missed.every(({ reason }) => reason === 'qos0'))
  t.equal(missed.reduce((sum, { count }) => sum + count, 0), broker.stats().dropped - 3)
})

t.test('hooks that throw, wherever they are told, harm nobody', async (t) => {
  const boom = () => { throw new Error('boom') }
  const { own, broker, errors } = await open({ onDisconnect: boom, onUnsubscribe: boom, onDeliver: boom, onAck: async () => boom(), onRedeliver: boom, onDrop: boom, onGap: boom })
  const peer = await own({ ...hello, ...subscriptions() }, alice)
  const { position } = await broker.publish(room, 1)
  await settled()
  await peer.send({ type: 'ack', positions: [{ channel: room, ...position }] }, { type: 'drop', channel: room, ...position }, { type: 'unsubscribe', id: 1, channel: room })
  t.match(peer.last('unsubscribed'), { id: 1 })
  await peer.cut()
  t.equal(errors.length, 5)
})

t.test('onPresence: who, where and how, of channels and of users', async (t) => {
  const { own, of, listen } = await open({}, { channels: { 'room/:id': { presence: true } } })
  listen('onPresence')
  const peer = await own(hello, { userId: 'a/b' })
  await peer.send({ type: 'enter', id: 1, channel: room })
  await peer.cut(1000)
  const events = of('onPresence') as PresenceChange[]
  t.same(events.map(({ channel, params, cause }) => [channel, { ...params }, cause]), [
    ['$user/a%2Fb', { userId: 'a/b' }, 'join'], [room, { id: '1' }, 'join'], ['$user/a%2Fb', { userId: 'a/b' }, 'leave'], [room, { id: '1' }, 'leave']
  ])
  t.match(events[1]?.member, { clientId: 'phone', userId: 'a/b' })
})
