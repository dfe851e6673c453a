import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import * as entry from '../lib/index.js'
import fastifyPush, { PushError, codes, memoryStorage, type FastifyPushOptions } from '../lib/index.js'
import { assertUnharmed, listen, makeHost, startApp } from './helpers/app.js'
import { overStorage } from './helpers/node.js'
import { Peer, helloOffer, secret } from './helpers/peer.js'

const warnings = (log: readonly { level: number, msg: string }[]) => log.filter(({ level }) => level === 40).map(({ msg }) => msg)

/** A route of the host's own that says its name. */
const ownRoute = (app: FastifyInstance) => app.register(async (scope) => {
  scope.get('/own', { websocket: true }, (socket) => { socket.send('own') })
})

async function hearsOwn (t: Test, port: number): Promise<WebSocket> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/own`)
  const [data] = await once(webSocket, 'message') as [Buffer]
  t.equal(String(data), 'own')
  return webSocket
}

t.test('the entry: a named export, the default, and what require() gives', async (t) => {
  t.equal(entry.fastifyPush, fastifyPush)
  t.equal((entry as Record<string, unknown>)['module.exports'], fastifyPush)
  t.equal((fastifyPush as unknown as { default: unknown }).default, fastifyPush)
  t.equal((fastifyPush as unknown as { fastifyPush: unknown }).fastifyPush, fastifyPush)
  t.equal(createRequire(import.meta.url)('../lib/index.js'), fastifyPush)
  t.equal(new PushError('PUSH_BUSY').statusCode, codes.PUSH_BUSY.status)
  for (const form of [fastifyPush, entry, import('../lib/index.js')]) {
    const { app } = makeHost()
    await app.register(form as typeof fastifyPush)
    t.type(app.push.publish, 'function')
    await app.close()
  }
})

t.test('importing it opens no handle and starts no timer', async (t) => {
  const script = `await import(${JSON.stringify(new URL('../lib/index.js', import.meta.url).href)})
    console.log(process.getActiveResourcesInfo().filter((each) => /Timeout|Immediate|TCP|UDP|Worker|Process/.test(each)).length)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  t.equal(stdout.trim(), '0')
})

t.test('an app that was never told to close does not keep its process alive', async () => {
  const script = `const { default: Fastify } = await import('fastify')
    const { default: push } = await import(${JSON.stringify(new URL('../lib/index.js', import.meta.url).href)})
    const app = Fastify(); await app.register(push, { channels: { news: {} } }); await app.ready(); await app.push.publish('news', 1)`
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd: new URL('../..', import.meta.url).pathname })
})

t.test('registers @fastify/websocket itself where it is absent', async (t) => {
  const { url, log } = await startApp(t)
  const { welcome } = await Peer.welcomed(url)
  t.equal(welcome.resumed, false)
  t.same(warnings(log), ['push: every connection is anonymous: no `authenticate` was given'])
})

t.test('what the storage advises is a warning in the log', async (t) => {
  const storage = memoryStorage()
  const { log } = await startApp(t, {
    storage: {
      ...storage,
      async open (context) {
        await storage.open(context)
        context.onWarning?.('it had better be larger')
      }
    },
    authenticate: () => null
  })
  t.same(warnings(log), ['push: it had better be larger'])
})

t.test('no warning of anonymous connections with `authenticate`', async (t) => {
  const { log } = await startApp(t, { authenticate: () => ({ userId: 'alice' }) })
  t.same(warnings(log), [])
})

t.test('the host registered @fastify/websocket before', async (t) => {
  t.test('its routes work, laxer options are warned of, and each closes its own', async (t) => {
    const { app, port, url, log } = await startApp(t, {}, async (app) => {
      await app.register(websocket, { options: { perMessageDeflate: true } })
      ownRoute(app)
    })
    t.match(warnings(log), [/anonymous/, /larger maxPayload/, /perMessageDeflate/])
    const own = await hearsOwn(t, port)
    const { peer } = await Peer.welcomed(url)
    const ended = once(own, 'close')
    await app.close()
    t.same(await peer.ended, { code: 1012, reason: 'PUSH_GOING_AWAY' })
    t.equal((await ended)[0], 1005, "the host's way")
  })

  t.test('with options as strict as ours nothing is warned of', async (t) => {
    const { log } = await startApp(t, { authenticate: () => null }, (app) => app.register(websocket, { options: { maxPayload: 1000 } }))
    t.same(warnings(log), [])
  })
})

t.test('the host registers @fastify/websocket after', async (t) => {
  const { app, log } = makeHost()
  await app.register(fastifyPush, { channels: { news: {} } })
  await app.register(websocket)
  ownRoute(app)
  const port = await listen(t, app)
  const own = await hearsOwn(t, port)
  const { peer } = await Peer.welcomed(`ws://127.0.0.1:${port}/push`)
  t.notOk(warnings(log).includes('websocket upgrade failed'), 'each upgrade is handled once')
  const injected = await app.injectWS('/push', { headers: { 'sec-websocket-protocol': 'fastify-push.1' } })
  injected.terminate()
  const ended = once(own, 'close')
  await app.close()
  t.same(await peer.ended, { code: 1012, reason: 'PUSH_GOING_AWAY' })
  await ended
  assertUnharmed(t, log)
})

t.test('the path and the prefix', async (t) => {
  const cases: [string, FastifyPushOptions, string][] = [
    ['a prefix', { prefix: '/api' }, '/api/push'],
    ['a path', { path: '/live/socket' }, '/live/socket'],
    ['both', { prefix: '/api', path: '/socket' }, '/api/socket']
  ]
  for (const [name, options, path] of cases) {
    t.test(name, async (t) => {
      const { app, port } = await startApp(t, options)
      const { peer } = await Peer.welcomed(`ws://127.0.0.1:${port}${path}`)
      await peer.close()
      t.equal((await app.inject(path)).statusCode, 426)
      t.equal((await app.inject('/push')).statusCode, 404)
    })
  }
  t.test('in a scope of the host, with its prefix and its hooks', async (t) => {
    const { app } = makeHost()
    const hooked: string[] = []
    app.register(async (scope) => {
      scope.addHook('onRequest', async ({ url }) => { hooked.push(url) })
      await scope.register(fastifyPush, { prefix: '/push-here', path: '/now', channels: { news: {} } })
      scope.push.channel('more')
    }, { prefix: '/v1' })
    const port = await listen(t, app)
    const { peer } = await Peer.welcomed(`ws://127.0.0.1:${port}/v1/push-here/now`, { subscriptions: [{ channel: 'more', qos: 0 }] })
    await peer.close()
    t.same(hooked, ['/v1/push-here/now'])
    t.notOk(app.hasDecorator('push'))
  })
})

t.test('a plain request is told that this is a WebSocket', async (t) => {
  const { app } = await startApp(t)
  const reply = await app.inject('/push')
  t.equal(reply.statusCode, 426)
  t.equal(reply.headers.upgrade, 'websocket')
  t.match(reply.json(), { error: 'Upgrade Required' })
})

t.test('wrong options end the start with PUSH_OPTIONS and name the option', async (t) => {
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ path: 'push' }, /path/],
    [{ path: '/a b' }, /path/],
    [{ authenticate: 'yes' }, /authenticate/],
    [{ authorize: {} }, /authorize/],
    [{ storage: {} }, /storage/],
    [{ storage: { log: {} } }, /storage/],
    [{ storage: null }, /storage/],
    [{ heartbeat: 5 }, /heartbeat/],
    [{ session: '2m' }, /session/],
    [{ limits: 1 }, /limits/],
    [{ channels: 'news' }, /channels/],
    [{ websocket: true }, /websocket/],
    [{ heartbeat: { interval: 0 } }, /heartbeat\.interval/],
    [{ heartbeat: { timeout: 'soon' } }, /heartbeat\.timeout/],
    [{ session: { ttl: -1 } }, /session\.ttl/],
    [{ session: { namedTtl: Infinity } }, /session\.namedTtl/],
    [{ idWindow: '1y' }, /idWindow/],
    ...['helloTimeout', 'silence', 'closeGrace', 'hookTimeout'].map((name): [Record<string, unknown>, RegExp] => [{ limits: { [name]: 'x' } }, new RegExp(`limits\\.${name}`)]),
    ...[0, 1.1, '90%', null, NaN].map((heapUsed): [Record<string, unknown>, RegExp] => [{ limits: { heapUsed } }, /limits\.heapUsed/]),
    ...['requestsInFlight', 'framesPerSecond', 'bytesPerSecond', 'connections', 'connectionsPerIp', 'connectionsPerUser']
      .map((name): [Record<string, unknown>, RegExp] => [{ limits: { [name]: 0 } }, new RegExp(`limits\\.${name}`)]),
    ...['frameBytes', 'subscriptions', 'publishesInFlight', 'window', 'bufferedBytes', 'historyPage', 'acceptedMessages', 'acceptedBytes']
      .map((name): [Record<string, unknown>, RegExp] => [{ limits: { [name]: 1.5 } }, new RegExp(`limits\\.${name}`)]),
    [{ channels: { news: { qos: 3 } } }, /news.*qos/],
    [{ channels: { news: null } }, /news/],
    [{ channels: { news: { clientPublish: 1 } } }, /clientPublish/],
    [{ channels: { news: { authorize: true } } }, /authorize/],
    [{ channels: { news: { history: { limit: 0 } } } }, /history\.limit/],
    [{ channels: { news: { history: { bytes: 0 } } } }, /history\.bytes/],
    [{ channels: { news: { history: { ttl: 0 } } } }, /history\.ttl/],
    [{ channels: { news: { history: 'all' } } }, /history/],
    [{ presence: true }, /presence/],
    [{ presence: { online: 1 } }, /presence\.online/],
    [{ presence: { grace: 0 } }, /presence\.grace/],
    [{ channels: { news: { presence: 'yes' } } }, /presence/],
    [{ channels: { news: { presence: null } } }, /presence/],
    [{ channels: { news: { presence: { grace: 'x' } } } }, /news.*presence\.grace/],
    [{ channels: { news: { presence: { data: 0 } } } }, /presence\.data/],
    [{ channels: { news: { presence: { data: 65_537 } } } }, /presence\.data/]
  ]
  for (const [options, name] of wrong) {
    const { app } = makeHost()
    await t.rejects(async () => { await app.register(fastifyPush, options as FastifyPushOptions) }, { code: 'PUSH_OPTIONS', message: name }, JSON.stringify(options))
    await app.close()
  }
  for (const [channels, code] of [[{ '*/x': {} }, 'PUSH_CHANNEL_INVALID'], [{ 'a/:x': {}, 'a/:y': {} }, 'PUSH_CHANNEL_AMBIGUOUS']] as const) {
    const { app } = makeHost()
    await t.rejects(async () => { await app.register(fastifyPush, { channels }) }, { code })
    await app.close()
  }
})

t.test('a storage that does not open ends the start with its code', async (t) => {
  const { app } = makeHost()
  const storage = { ...memoryStorage(), open: async () => { throw new PushError('PUSH_STORAGE_UNAVAILABLE') } }
  await t.rejects(async () => { await app.register(fastifyPush, { storage }) }, { code: 'PUSH_STORAGE_UNAVAILABLE' })
  await app.close()
})

t.test('a start that fails once the storage is open leaves it to be closed', async (t) => {
  const storage = overStorage(memoryStorage(), { feed: () => ({ join: async () => { throw new PushError('PUSH_STORAGE_UNAVAILABLE') } }) })
  const { app } = makeHost()
  await t.rejects(async () => { await app.register(fastifyPush, { storage }) }, { code: 'PUSH_STORAGE_UNAVAILABLE' })
  t.equal((await storage.health()).ok, true)
  await app.close()
  t.equal((await storage.health()).ok, false)
})

t.test('the storage is closed after the connections, with their cursors written', async (t) => {
  const order: string[] = []
  const memory = memoryStorage()
  const storage = {
    ...overStorage(memory, { cursors: (original) => ({ commit: (...args) => { order.push('commit'); return original.commit(...args) } }) }),
    close: async () => { order.push('close'); await memory.close() }
  }
  const { app, url } = await startApp(t, { storage })
  const peer = await Peer.owner(url, { subscriptions: [{ channel: 'room/1', qos: 1 }] })
  const { position } = await app.push.publish('room/1', 'hi')
  await peer.data(1)
  peer.send({ type: 'ack', positions: [{ channel: 'room/1', ...position }] })
  await peer.barrier()
  peer.ended.then(() => order.push('ended')).catch(() => {})
  await app.close()
  t.equal(order.at(-1), 'close')
  t.ok(order.includes('ended') && order.includes('commit'))
  await t.rejects(app.push.publish('room/1', 'late'), { code: 'PUSH_STORAGE_CLOSED' })
})

t.test('two apps in one process share nothing', async (t) => {
  const one = await startApp(t)
  const two = await startApp(t)
  const peer = await Peer.owner(one.url, { subscriptions: [{ channel: 'news', qos: 1 }] })
  await two.app.push.publish('news', 'for two')
  await one.app.push.publish('news', 'for one')
  t.same(await peer.data(1), ['for one'])
  t.equal(one.app.push.stats().connections, 1)
  t.equal(two.app.push.stats().connections, 0)
  await two.app.close()
  await peer.barrier()
})

t.test('injectWS works, without the host having registered anything', async (t) => {
  const app = Fastify()
  await app.register(fastifyPush, { channels: { news: {} }, limits: { closeGrace: 20 } })
  await app.ready()
  t.teardown(() => app.close())
  let peer: Peer | undefined
  const hello = { type: 'hello', session: secret(), subscriptions: [{ channel: 'news', qos: 1 }] }
  await app.injectWS('/push', { headers: { 'sec-websocket-protocol': `fastify-push.1, ${helloOffer(hello)}` } }, { onInit: (webSocket) => { peer = new Peer(webSocket as unknown as WebSocket) } })
  t.match(await peer?.take('welcome'), { subscriptions: [{ verdict: 'started' }] })
  await app.push.publish('news', 1)
  t.same(await peer?.data(1), [1])
})

t.test('stats: all of them numbers', async (t) => {
  const { app, url } = await startApp(t)
  await Peer.owner(url, { subscriptions: [{ channel: 'news', qos: 1 }, { channel: 'room/1', qos: 0 }] })
  t.strictSame(app.push.stats(), {
    connections: 1,
    refusedConnections: 0,
    subscriptions: 2,
    channels: 2,
    stored: 0,
    duplicates: 0,
    refused: 0,
    delivered: 0,
    dropped: 0,
    givenUp: 0,
    slowReaders: 0,
    unwatched: 0,
    gaps: 0,
    ignoredAcks: 0,
    accepted: { waiting: 0, failed: 0 },
    failed: 0
  })
  const { publish, history, stats, channel } = app.push
  channel('late/:id', { history: true })
  await publish('late/1', 'hi')
  t.equal((await history('late/1')).messages.length, 1, 'the methods need no this')
  t.equal(stats().stored, 1)
})
