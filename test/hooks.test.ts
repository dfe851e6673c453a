import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import Type from 'typebox'
import fastifyPush, { defineChannels, type Push } from '../lib/index.js'
import { listen, makeHost } from './helpers/app.js'
import { Peer } from './helpers/peer.js'

/** Notes what is published where. */
const note = (heard: string[], name: string) => ({ channel }: { channel: string }) => { heard.push(`${name} ${channel}`) }

async function makeApp (options = {}) {
  const { app, log } = makeHost()
  await app.register(fastifyPush, { channels: { root: {} }, ...options })
  return { app, log }
}

t.test('each instance has a face of its own, on one broker', async (t) => {
  const { app } = await makeApp()
  let inner: FastifyInstance | undefined
  let same: Push | undefined
  app.register(async (scope) => {
    inner = scope
    scope.push.channel('inner')
    await scope.register(fp(async (instance) => { same = instance.push }))
    scope.get('/', async function (request) { return (await request.server.push.publish('root', 1)).position?.offset })
  })
  await app.ready()
  t.equal(app.push, app.push)
  t.not(inner?.push, app.push)
  t.equal(inner?.push, inner?.push)
  t.equal(same, inner?.push, 'a plugin that is not encapsulated')
  await app.push.publish('inner', 'from outside')
  t.equal((await inner?.push.history('inner'))?.messages.length, 1)
  t.equal((await app.inject('/')).body, '1')
  t.same(inner?.push.stats(), app.push.stats())
  await app.close()
})

t.test('hooks hold where they were added and within, the outer ones first', async (t) => {
  const { app } = await makeApp()
  const heard: string[] = []
  app.push.addHook('onPublish', note(heard, 'outer'))
  app.register(async (one) => {
    one.push.channel('one', { onPublish: note(heard, 'own') })
    one.push.addHook('onPublish', note(heard, 'one'))
    await one.register(async (deep) => {
      deep.push.addHook('onPublish', note(heard, 'deep'))
      deep.push.channel('deep')
    })
    one.push.addHook('onPublish', note(heard, 'one again'))
  })
  app.register(async (two) => {
    two.push.channel('two')
    two.push.addHook('onPublish', note(heard, 'two'))
  })
  await app.ready()
  for (const channel of ['root', 'one', 'deep', 'two']) await app.push.publish(channel, 1)
  t.same(heard, [
    'outer root',
    'outer one', 'one one', 'one again one', 'own one',
    'outer deep', 'one deep', 'one again deep', 'deep deep',
    'outer two', 'two two'
  ])
  await app.close()
})

t.test('the most specific pattern wins, whoever declares it; the same names twice are ambiguous', async (t) => {
  const { app } = await makeApp({ channels: { 'room/:id': {} } })
  const heard: string[] = []
  app.register(async (scope) => {
    scope.push.addHook('onPublish', note(heard, 'lobby'))
    scope.push.channel('room/lobby')
  })
  app.register(async (scope) => {
    t.throws(() => scope.push.channel('room/:name'), { code: 'PUSH_CHANNEL_AMBIGUOUS' })
    t.throws(() => scope.push.channel('room/*/x'), { code: 'PUSH_CHANNEL_INVALID' })
  })
  await app.ready()
  await app.push.publish('room/1', 1)
  await app.push.publish('room/lobby', 1)
  t.same(heard, ['lobby room/lobby'])
  await app.close()
})

t.test('an ambiguous channel in a plugin ends the start with its code', async (t) => {
  const { app } = await makeApp()
  app.register(async (scope) => scope.push.channel('root'))
  await t.rejects(async () => { await app.ready() }, { code: 'PUSH_CHANNEL_AMBIGUOUS' })
  await app.close()
})

t.test('channels can be declared once the app runs, with the hooks of their place; hooks cannot be added then', async (t) => {
  const { app } = await makeApp()
  const heard: string[] = []
  let inner: FastifyInstance | undefined
  app.register(async (scope) => {
    inner = scope
    scope.push.addHook('onPublish', note(heard, 'inner'))
  })
  await app.ready()
  inner?.push.channel('late')
  app.push.channel('later')
  await app.push.publish('late', 1)
  await app.push.publish('later', 1)
  t.same(heard, ['inner late'])
  for (const face of [app.push, inner?.push]) {
    t.throws(() => face?.addHook('onPublish', () => {}), { code: 'PUSH_OPTIONS', message: /started/ })
    t.throws(() => face?.addHook('onConnect', () => {}), { code: 'PUSH_OPTIONS', message: /started/ })
  }
  await app.close()
})

t.test('a wrong hook in a plugin ends the start with its code', async (t) => {
  for (const add of [(push: Push) => push.addHook('onNothing' as 'onAck', () => {}), (push: Push) => push.addHook('onAck', 'f' as unknown as () => void)]) {
    const { app } = await makeApp()
    app.register(async (scope) => add(scope.push))
    await t.rejects(async () => { await app.ready() }, { code: 'PUSH_OPTIONS' })
    await app.close()
  }
})

t.test('onConnect gets the upgrade request; refusals reach the client; hooks that fail are logged, and end nothing', async (t) => {
  const host = await makeApp({ channels: { news: {} } })
  const connected: unknown[] = []
  host.app.addHook('onRequest', async (request) => { request.headers['x-seen'] = 'yes' })
  host.app.push.addHook('onConnect', async ({ request, client }) => {
    connected.push([request?.headers['x-seen'], typeof client.clientId])
    if (request?.headers['x-no'] !== undefined) throw Object.assign(new Error('no'), { statusCode: 403 })
  })
  host.app.push.addHook('onDeliver', () => { throw new Error('a bug in a hook') })
  const port = await listen(t, host.app)
  const peer = await Peer.owner(`ws://127.0.0.1:${port}/push`, { subscriptions: [{ channel: 'news', qos: 1 }] })
  t.same(connected, [['yes', 'string']])
  await host.app.push.publish('news', 'hi')
  t.same(await peer.data(1), ['hi'])
  t.match(host.log.filter(({ level }) => level >= 50), [{ err: { message: 'a bug in a hook' } }])
  await peer.close()
})

t.test('defineChannels, schema and document, through the plugin', async (t) => {
  const channels = defineChannels({ 'room/:id': { schema: Type.Object({ text: Type.String() }), onPublish: ({ data, params }) => ({ text: `${params.id}: ${data.text}` }) } })
  t.equal(defineChannels(channels as never), channels, 'what it is given')
  const { app } = await makeApp({ channels })
  app.register(async (scope) => scope.push.channel('inner'))
  await app.ready()
  await app.push.publish('room/1', { text: 'hi' })
  await t.rejects(app.push.publish('room/1', { txt: 'hi' }), { code: 'PUSH_INVALID' })
  t.same((await app.push.history('room/1')).messages.map(({ data }) => data), [{ text: '1: hi' }])
  t.same(Object.keys(app.push.asyncapi().channels), ['room::id', 'inner'])
  t.match(app.push.asyncapi({ info: { title: 'Chat', version: '1.0.0' } }), { asyncapi: '3.0.0', info: { title: 'Chat' } })
  await app.close()
  const { app: wrong } = makeHost()
  await t.rejects(async () => { await wrong.register(fastifyPush, { channels: { a: { schema: { type: 'objekt' } } } }) }, { code: 'PUSH_OPTIONS', message: /schema/ })
  await wrong.close()
})
