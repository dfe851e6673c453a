import t from 'tap'
import { PushError } from '../../lib/core/errors.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { MAX_HELLO_HEADER, SUBPROTOCOL } from '../../lib/protocol/version.js'
import { assertUnharmed, startApp } from '../helpers/app.js'
import { Peer, helloOffer, secret } from '../helpers/peer.js'
import { RawClient, clientFrame } from '../helpers/raw.js'

const hello = (more: object = {}) => ({ type: 'hello', session: secret(), ...more })
const textOf = (frame: object) => clientFrame({ payload: JSON.stringify(frame) })

t.test('[P-2.1] the subprotocol', async (t) => {
  const { url, port } = await startApp(t)
  t.test('it is selected, also beside others', async (t) => {
    const peer = await Peer.open(url, { protocols: [SUBPROTOCOL, 'other'] })
    t.equal(peer.webSocket.protocol, SUBPROTOCOL)
    await peer.close()
  })
  t.test('the hello is never selected', async (t) => {
    const peer = await Peer.open(url, { protocols: [helloOffer(hello()), SUBPROTOCOL] })
    t.equal(peer.webSocket.protocol, SUBPROTOCOL)
    await peer.take('welcome')
    await peer.close()
  })
  t.test('another version only', async (t) => {
    const peer = await Peer.open(url, { protocols: ['fastify-push.99'] })
    t.match(await peer.take('goodbye'), { code: 'PUSH_VERSION' })
    t.same(await peer.ended, { code: 4406, reason: 'PUSH_VERSION' })
  })
  t.test('none at all', async (t) => {
    const client = new RawClient(port, { protocols: [] })
    t.match(await client.answered, /^HTTP\/1.1 101/)
    t.equal(await client.closeCode(), 4406)
    client.socket.destroy()
  })
})

t.test('[P-2.3] the hello in the upgrade or as the first frame', async (t) => {
  const { url, app } = await startApp(t)
  t.test('in the upgrade', async (t) => {
    const { peer } = await Peer.welcomed(url, { clientId: 'ünïcode'.normalize().replace(/[^a-z]/g, '') })
    await peer.close()
  })
  t.test('as a frame', async (t) => {
    const peer = await Peer.open(url)
    peer.send(hello({ clientId: 'bob' }))
    t.equal((await peer.take('welcome')).clientId, 'bob')
    await peer.close()
  })
  t.test('too long for the upgrade: it is not read there', async (t) => {
    const long = hello({ token: 'x'.repeat(MAX_HELLO_HEADER) })
    const peer = await Peer.open(url, { hello: long })
    peer.send(long)
    await peer.take('welcome')
    t.equal(peer.frames.length, 0, 'one welcome')
    await peer.close()
  })
  t.test('what is offered there and is no hello', async (t) => {
    for (const offer of [{ type: 'ping' }, { type: 'hello', session: 'short' }, []]) {
      const peer = await Peer.open(url, { hello: offer })
      t.same(await peer.ended, { code: 4400, reason: 'PUSH_BAD_FRAME' })
    }
    const peer = await Peer.open(url, { protocols: [SUBPROTOCOL, 'fastify-push.hello.!~!'] })
    t.equal((await peer.ended).code, 4400)
  })
  t.equal(app.push.stats().connections, 0)
})

t.test('frames that come early are not lost', async (t) => {
  const { port } = await startApp(t, {}, (app) => {
    app.addHook('onRequest', async (request) => {
      if (request.headers['sec-websocket-protocol'] === SUBPROTOCOL) await new Promise((resolve) => { setTimeout(resolve, 30) })
    })
  })
  const early = [textOf(hello({ subscriptions: [{ channel: 'room/1', qos: 1 }] })), textOf({ type: 'ping' }),
    textOf({ type: 'publish', channel: 'room/1', qos: 1, publisher: secret(), sequence: 1, data: 'early' })]
  for (const [name, protocols] of [['while a hook takes its time', [SUBPROTOCOL]], ['with no slow hook', [SUBPROTOCOL, 'x']]] as const) {
    t.test(`in the segment of the upgrade, ${name}`, async (t) => {
      const client = new RawClient(port, { protocols, extra: Buffer.concat(early) })
      await client.json('pong')
      t.match(await client.json('published'), { sequence: 1 })
      await client.json('messages')
      client.socket.destroy()
    })
    t.test(`straight after it, byte by byte, ${name}`, async (t) => {
      const client = new RawClient(port, { protocols })
      for (const byte of Buffer.concat(early)) client.socket.write(Buffer.from([byte]))
      await client.json('pong')
      t.match(await client.json('published'), { sequence: 1 })
      client.socket.destroy()
    })
  }
})

t.test('the hooks of the host run before: a refusal is an HTTP answer', async (t) => {
  const { url, log, app } = await startApp(t, {}, (app) => {
    app.addHook('onRequest', async (request, reply) => {
      if (request.headers['x-refuse'] !== undefined) return reply.code(401).send({ error: 'no' })
    })
  })
  await t.rejects(Peer.open(url, { headers: { 'x-refuse': '1' } }), /401/)
  const { peer } = await Peer.welcomed(url)
  await peer.close()
  t.equal(app.push.stats().connections, 0)
  assertUnharmed(t, log)
})

t.test('[P-2.5] authenticate', async (t) => {
  const { url, log, app } = await startApp(t, {
    limits: { hookTimeout: 20 },
    authorize: ({ client, channel }) => channel === `room/${client.userId}` && (client.claims as { ok: boolean }).ok,
    authenticate: (request, { token }) => {
      if (token === 'throws') throw new Error('at once')
      if (token === 'expired') throw Object.assign(new Error('expired'), { statusCode: 401 })
      if (token === 'rejects') return Promise.reject(new Error('later'))
      if (token === 'hangs') return new Promise(() => {})
      if (token === 'forbidden') throw new PushError('PUSH_FORBIDDEN')
      if (token === 'nobody') return { userId: '' }
      if (token === 'odd') return { userId: 7 } as unknown as null
      return token === undefined ? null : { userId: `${token}-${String(request.headers['x-tenant'])}`, claims: { ok: true } }
    }
  })
  const refused = { code: 4401, reason: 'PUSH_UNAUTHENTICATED' }
  const unavailable = { code: 4503, reason: 'PUSH_UNAVAILABLE' }
  const cases: [string | undefined, object][] = [[undefined, refused], ['expired', refused], ['throws', unavailable], ['rejects', unavailable], ['nobody', refused], ['odd', refused],
    ['hangs', unavailable], ['forbidden', { code: 4403, reason: 'PUSH_FORBIDDEN' }]]
  for (const [token, ending] of cases) {
    const peer = await Peer.open(url, { hello: hello({ token }) })
    t.match(await peer.take('goodbye'), { code: (ending as { reason: string }).reason }, `${token}`)
    t.same(await peer.ended, ending, `${token}`)
  }
  const { welcome } = await Peer.welcomed(url, { token: 'alice', subscriptions: [{ channel: 'room/alice-acme', qos: 1 }, { channel: 'room/bob-acme', qos: 1 }] }, { headers: { 'x-tenant': 'acme' } })
  t.match(welcome.subscriptions, [{ channel: 'room/alice-acme', verdict: 'started' }, { channel: 'room/bob-acme', code: 'PUSH_FORBIDDEN' }])
  t.equal(app.push.stats().connections, 1)
  assertUnharmed(t, log)
})

t.test('[P-2.4] a session belongs to its user: the same secret under another name is another session', async (t) => {
  const { url } = await startApp(t, { authenticate: (_request, { token }) => ({ userId: String(token) }) })
  const session = secret()
  const subscriptions = [{ channel: 'room/1', qos: 1 }]
  await (await Peer.owner(url, { session, token: 'alice', subscriptions })).close()
  const mallory = await Peer.welcomed(url, { session, token: 'mallory', subscriptions })
  t.match(mallory.welcome, { resumed: false, subscriptions: [{ verdict: 'started' }] })
  const named = await Peer.owner(url, { clientId: 'phone', token: 'alice' })
  const other = await Peer.owner(url, { clientId: 'phone', token: 'mallory' })
  await named.barrier()
  await other.barrier()
  const sly = await Peer.owner(url, { clientId: 'phone', token: 'alice/c/phone' })
  await Promise.all([named.barrier(), sly.barrier()])
})

t.test('a storage that throws where it should reject harms nobody but its callers', async (t) => {
  const broken = () => { throw new Error('thrown, not rejected') }
  const memory = memoryStorage()
  let breaks = false
  const port = <Port extends object>(original: Port): Port => new Proxy(original, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      return typeof value !== 'function' ? value : breaks && name !== 'watch' ? broken : value.bind(target)
    }
  })
  const storage = { ...memory, log: port(memory.log), cursors: port(memory.cursors), feed: port(memory.feed), sessions: port(memory.sessions) }
  const { url, app } = await startApp(t, { storage })
  const peer = await Peer.owner(url, { subscriptions: [{ channel: 'room/1', qos: 2 }] })
  const { position } = await app.push.publish('room/1', 1)
  await peer.data(1)
  breaks = true
  peer.send({ type: 'ack', positions: [{ channel: 'room/1', ...position }] })
  peer.send({ type: 'publish', channel: 'room/1', qos: 1, publisher: secret(), sequence: 1, data: 1 })
  peer.send({ type: 'publish', channel: 'room/1', qos: 0, data: 1 })
  t.equal((await peer.take('refused')).code, 'PUSH_INTERNAL')
  await t.rejects(peer.subscribe('news'), { code: 'PUSH_INTERNAL' })
  t.match(await peer.ask({ type: 'history', id: 1, channel: 'room/1' } as { id: number }, 'history'), { code: 'PUSH_INTERNAL' })
  t.match(await peer.ask({ type: 'unsubscribe', id: 2, channel: 'room/1' } as { id: number }, 'unsubscribed'), { code: 'PUSH_INTERNAL' })
  await t.rejects(app.push.publish('room/1', 2), { code: 'PUSH_INTERNAL' })
  const late = await Peer.open(url, { hello: hello() })
  t.equal((await late.ended).code, 4500)
  await peer.close()
  breaks = false
  const { peer: healthy } = await Peer.welcomed(url, { subscriptions: [{ channel: 'room/1', qos: 1 }] })
  await app.push.publish('room/1', 'on')
  t.same(await healthy.data(1), ['on'])
})

t.test('an upgrade that is injected as a plain request is told what this is', async (t) => {
  const { app } = await startApp(t)
  const answer = await app.inject({ url: '/push', headers: { connection: 'upgrade', upgrade: 'websocket' } })
  t.equal(answer.statusCode, 426)
  t.equal(answer.headers.upgrade, 'websocket')
})
