import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { createClient } from '../lib/client/node.js'
import fastifyPush, { type Push } from '../lib/index.js'
import { assertUnharmed, listen, makeHost, type LogLine } from './helpers/app.js'
import { Peer } from './helpers/peer.js'

// Hosts register things in every order there is. Each row works, as a client sees it, or ends the start with a code; none ends the process.

/** What has to happen: messages reach who is connected there, or the start ends with this code. */
type Outcome = { readonly channel: string, readonly path?: string, readonly token?: (app: FastifyInstance) => string } | { readonly code: string, readonly message?: RegExp }

interface Row {
  readonly name: string
  /** Sets the host up. What it returns publishes; by default the face of the outermost instance. */
  readonly build: (app: FastifyInstance) => unknown
  readonly expected: Outcome
}

const troubles: unknown[] = []
for (const event of ['unhandledRejection', 'uncaughtException'] as const) process.on(event, (trouble) => { troubles.push(trouble) })

/** The app has closed, nothing was thrown where nobody catches it, and nothing was logged as an error. */
async function endsWell (t: Test, app: FastifyInstance, log: readonly LogLine[]): Promise<void> {
  await app.close()
  await new Promise((resolve) => { setImmediate(resolve) })
  t.same(troubles.splice(0), [], 'no unhandled rejection, no uncaught exception')
  t.notOk(log.some(({ msg }) => msg === 'websocket upgrade failed'), 'each upgrade was handled once')
  assertUnharmed(t, log)
}

const news = { channel: 'news' }
const options = { channels: { news: {} } }
const declares = (channel: string) => async (scope: FastifyInstance): Promise<void> => { scope.push.channel(channel) }

const rows: Row[] = [
  { name: 'not awaited', build: (app) => { app.register(fastifyPush, options) }, expected: news },
  { name: 'awaited', build: async (app) => { await app.register(fastifyPush, options) }, expected: news },
  {
    name: 'declared after an awaited registration',
    build: async (app) => {
      await app.register(fastifyPush)
      app.push.channel('news')
    },
    expected: news
  },
  { name: 'declared in after()', build: (app) => { app.register(fastifyPush).after(() => { app.push.channel('news') }) }, expected: news },
  {
    name: 'declared in an onReady hook that was there before',
    build: (app) => {
      app.addHook('onReady', async () => { app.push.channel('news') })
      app.register(fastifyPush)
    },
    expected: news
  },
  {
    name: 'declared once the app is ready',
    build: async (app) => {
      app.register(fastifyPush)
      await app.ready()
      app.push.channel('news')
    },
    expected: news
  },
  {
    name: 'declared by a plugin that is registered after, neither awaited',
    build: (app) => {
      app.register(fastifyPush)
      app.register(declares('news'))
    },
    expected: news
  },
  {
    name: 'declared by plugins within plugins, with prefixes, and by a sibling',
    build: (app) => {
      app.register(fastifyPush)
      app.register(async (one) => {
        one.register(async (two) => { two.register(declares('news'), { prefix: '/three' }) }, { prefix: '/two' })
      }, { prefix: '/one' })
      app.register(declares('sibling'), { prefix: '/sibling' })
    },
    expected: news
  },
  {
    name: 'the service in a plugin with a prefix, the declaring one within it',
    build: (app) => {
      let push: Push | undefined
      app.register(async (scope) => {
        scope.register(fastifyPush)
        scope.register(async (inner) => { push = inner.push; declares('news')(inner) }, { prefix: '/inner' })
      }, { prefix: '/v1' })
      return () => push
    },
    expected: { ...news, path: '/v1/push' }
  },
  {
    name: 'the service in a plugin that is not encapsulated: as if in the one around it',
    build: (app) => {
      app.register(fp(async (scope) => { await scope.register(fastifyPush) }))
      app.register(declares('news'))
    },
    expected: news
  },
  {
    name: 'a plugin that declares comes before, and says that it depends on the service',
    build: (app) => {
      app.register(fp(async (scope) => { scope.push.channel('news') }, { name: 'declares', dependencies: ['fastify-push'] }))
      app.register(fastifyPush)
    },
    expected: { code: 'FST_ERR_PLUGIN_DEPENDENCY', message: /fastify-push/ }
  },
  {
    name: 'routes that publish come before',
    build: (app) => {
      app.get('/say', async function () { return this.push.publish('news', 'from a route') })
      app.register(fastifyPush, options)
    },
    expected: news
  },
  {
    name: 'an outermost service and one within, which came first, on paths of their own',
    build: (app) => {
      app.register(async (scope) => { await scope.register(fastifyPush, options) }, { prefix: '/inner' })
      app.register(fastifyPush, options)
    },
    expected: news
  },
  {
    name: 'the same on one path',
    build: (app) => {
      app.register(async (scope) => { await scope.register(fastifyPush) })
      app.register(fastifyPush)
    },
    expected: { code: 'FST_ERR_DUPLICATED_ROUTE' }
  },
  {
    name: 'twice, awaited',
    build: async (app) => {
      await app.register(fastifyPush)
      await app.register(fastifyPush, { path: '/two' })
    },
    expected: { code: 'PUSH_REGISTERED' }
  },
  {
    name: 'twice, not awaited',
    build: (app) => {
      app.register(fastifyPush)
      app.register(fastifyPush, { path: '/two' })
    },
    expected: { code: 'PUSH_REGISTERED' }
  },
  {
    name: 'once more in a plugin within',
    build: (app) => {
      app.register(fastifyPush)
      app.register(async (scope) => { await scope.register(fastifyPush, { path: '/two' }) }, { prefix: '/within' })
    },
    expected: { code: 'PUSH_REGISTERED' }
  },
  {
    name: '@fastify/websocket before, for the whole host',
    build: (app) => {
      app.register(websocket)
      app.register(fastifyPush, options)
    },
    expected: news
  },
  {
    name: '@fastify/websocket after, with other options',
    build: (app) => {
      app.register(fastifyPush, options)
      app.register(websocket, { options: { maxPayload: 100, perMessageDeflate: true } })
    },
    expected: news
  },
  {
    name: '@fastify/websocket in a plugin beside, after',
    build: (app) => {
      app.register(fastifyPush, options)
      app.register(async (scope) => { await scope.register(websocket) })
    },
    expected: news
  },
  {
    name: '@fastify/websocket in a plugin beside, before',
    build: (app) => {
      app.register(async (scope) => { await scope.register(websocket) })
      app.register(fastifyPush, options)
    },
    expected: news
  },
  {
    name: 'the service in a plugin, @fastify/websocket outermost and after',
    build: (app) => {
      let push: Push | undefined
      app.register(async (scope) => { await scope.register(fastifyPush, options); push = scope.push })
      app.register(websocket)
      return () => push
    },
    expected: news
  },
  { name: 'the host has a `push` already', build: (app) => { app.decorate('push', {} as Push).register(fastifyPush) }, expected: { code: 'PUSH_REGISTERED' } },
  { name: 'the host decorates `push` after', build: async (app) => { await app.register(fastifyPush); app.decorate('push', {} as Push) }, expected: { code: 'FST_ERR_DEC_ALREADY_PRESENT' } },
  { name: 'a plugin within decorates `push`', build: (app) => { app.register(fastifyPush).register(async (scope) => { scope.decorate('push', {} as Push) }) }, expected: { code: 'PUSH_REGISTERED' } },
  { name: 'a plugin before has a `push` of its own', build: (app) => { app.register(async (scope) => { scope.decorate('push', {} as Push) }).register(fastifyPush, options) }, expected: news },
  {
    name: 'the host decorates `push` in the plugin that has the service',
    build: (app) => { app.register(async (scope) => { await scope.register(fastifyPush); scope.decorate('push', {} as Push) }) },
    expected: { code: 'FST_ERR_DEC_ALREADY_PRESENT' }
  },
  { name: 'the path is a route of the host', build: (app) => { app.get('/push', async () => 'mine').register(fastifyPush) }, expected: { code: 'FST_ERR_DUPLICATED_ROUTE' } },
  { name: 'the path becomes a route of the host', build: async (app) => { await app.register(fastifyPush); app.get('/push', async () => 'mine') }, expected: { code: 'FST_ERR_DUPLICATED_ROUTE' } },
  { name: 'routes of the host that match everything', build: (app) => { app.get('/*', async () => 'mine').get('/:any', async () => 'mine').register(fastifyPush, options) }, expected: news },
  { name: 'a channel twice: in the options and after', build: (app) => { app.register(fastifyPush, options).register(declares('news')) }, expected: { code: 'PUSH_CHANNEL_AMBIGUOUS', message: /news/ } },
  { name: 'a channel twice: by two plugins that know nothing of each other', build: (app) => { app.register(fastifyPush).register(declares('news')).register(declares('news')) }, expected: { code: 'PUSH_CHANNEL_AMBIGUOUS', message: /news/ } },
  { name: 'patterns of two plugins that name the same channels', build: (app) => { app.register(fastifyPush).register(declares('room/:id')).register(declares('room/:name')) }, expected: { code: 'PUSH_CHANNEL_AMBIGUOUS', message: /room\/:name/ } },
  { name: 'patterns of two plugins of which one is narrower', build: (app) => { app.register(fastifyPush).register(declares(':any')).register(declares('news')) }, expected: news },
  { name: 'a name that no channel may have', build: (app) => { app.register(fastifyPush).register(declares('$inbox')) }, expected: { code: 'PUSH_CHANNEL_INVALID' } },
  {
    name: 'hooks before, after, and within, each where it is',
    build: async (app) => {
      await app.register(fastifyPush)
      app.push.addHook('onPublish', ({ data }) => `${String(data)} outer`)
      app.register(async (scope) => {
        scope.push.channel('news')
        scope.push.addHook('onPublish', ({ data }) => `${String(data)} inner`)
        scope.register(async (deep) => { deep.push.addHook('onPublish', () => 'not for what is declared around it') })
      })
      app.push.addHook('onPublish', ({ data }) => `${String(data)} last`)
    },
    expected: news
  },
  {
    name: 'authenticate uses what plugins decorate that come later',
    build: (app) => {
      app.register(fastifyPush, {
        ...options,
        authenticate: (_request, { token }) => ({ userId: app.jwt.verify<{ sub: string }>(token as string).sub })
      })
      app.register(cookie)
      app.register(jwt, { secret: 'a secret of a test, of 32 characters or more' })
    },
    expected: { ...news, token: (app) => app.jwt.sign({ sub: 'alice' }) }
  },
  {
    name: 'published before the app is ready, and while it gets ready',
    build: async (app) => {
      await app.register(fastifyPush, options)
      await app.push.publish('news', 'early')
      app.addHook('onReady', async () => { await app.push.publish('news', 'soon') })
      app.addHook('onListen', async () => { await app.push.publish('news', 'now') })
    },
    expected: news
  }
]

for (const { name, build, expected } of rows) {
  t.test(name, async (t) => {
    const { app, log } = makeHost()
    const started = (async () => {
      const built: unknown = await build(app)
      await app.listen({ host: '127.0.0.1', port: 0 })
      return (typeof built === 'function' ? built() : app.push) as Push
    })()
    t.teardown(() => app.close())
    if ('code' in expected) await t.rejects(started, expected)
    else await reaches(t, app, await started, expected)
    await endsWell(t, app, log)
  })
}

/** A client connects, and hears what is published from then on, once. */
async function reaches (t: Test, app: FastifyInstance, push: Push, { channel, path = '/push', token }: Exclude<Outcome, { code: string }>): Promise<void> {
  const { port } = app.server.address() as { port: number }
  const client = createClient(`ws://127.0.0.1:${port}${path}`, token === undefined ? {} : { token: token(app) })
  const heard: unknown[] = []
  const subscription = client.channel(channel).subscribe(({ data }) => { heard.push(data) })
  await subscription.ready
  for (const text of ['one', 'two']) await push.publish(channel, text, { qos: 1, wait: 'delivered' })
  t.match(heard, [/^one/, /^two/])
  t.equal(push.stats().connections, 1)
  await client.close()
}

t.test('a plugin that declares comes before and says nothing: the start ends with its own error', async (t) => {
  const { app, log } = makeHost()
  app.register(declares('news'))
  app.register(fastifyPush)
  await t.rejects(async () => { await app.ready() }, { name: 'TypeError', message: /channel/ })
  await endsWell(t, app, log)
})

t.test('ready without listening: routes that are injected, and injected WebSockets', async (t) => {
  const { app, log } = makeHost()
  app.get('/say', async function () { return await this.push.publish('news', 'hi') })
  app.register(fastifyPush, options)
  await app.ready()
  t.equal((await app.inject('/say')).statusCode, 200)
  const injected = await app.injectWS('/push', { headers: { 'sec-websocket-protocol': 'fastify-push.1' } })
  t.equal((await app.push.history('news')).messages.length, 1)
  injected.terminate()
  await endsWell(t, app, log)
})

t.test('inject alone makes the app ready', async (t) => {
  const { app, log } = makeHost()
  app.register(fastifyPush, options)
  app.get('/say', async function () { return await this.push.publish('news', 'hi') })
  t.equal((await app.inject('/say')).statusCode, 200)
  await endsWell(t, app, log)
})

t.test('closed before it was ready, at once, and twice', async (t) => {
  for (const await_ of [false, true]) {
    const { app, log } = makeHost()
    const registered = app.register(fastifyPush, options)
    if (await_) await registered
    await Promise.all([app.close(), app.close()])
    await endsWell(t, app, log)
  }
})

t.test('while and after it closes: publishing is refused with a code, declaring changes nothing', async (t) => {
  const { app, log } = makeHost()
  const heard: string[] = []
  const publishes = (when: string) => async () => { await app.push.publish('news', when).then(() => heard.push(when), ({ code }) => heard.push(`${when}: ${code}`)) }
  app.addHook('onClose', publishes('the onClose of who registered before'))
  app.addHook('preClose', publishes('the preClose of who registered before'))
  await app.register(fastifyPush, options)
  app.addHook('onClose', publishes('the onClose of who registered after'))
  app.addHook('preClose', publishes('the preClose of who registered after'))
  await app.listen({ host: '127.0.0.1', port: 0 })
  await app.close()
  await publishes('closed')()
  t.same(heard, [
    'the preClose of who registered before',
    'the preClose of who registered after',
    'the onClose of who registered after',
    'the onClose of who registered before: PUSH_STORAGE_CLOSED',
    'closed: PUSH_STORAGE_CLOSED'
  ], 'until its own onClose, which runs before those of who registered before')
  app.push.channel('late')
  await t.rejects(app.push.publish('late', 1), { code: 'PUSH_STORAGE_CLOSED' })
  await t.rejects(app.push.history('news'), { code: 'PUSH_STORAGE_CLOSED' })
  t.throws(() => app.push.addHook('onAck', () => {}), { code: 'PUSH_OPTIONS' })
  await t.rejects(app.push.clients({ userId: 'alice' }).disconnect(), { code: 'PUSH_STORAGE_CLOSED' })
  t.match(log.pop(), { level: 50, err: { code: 'PUSH_STORAGE_CLOSED' } }, 'an order is not awaited as a rule: what becomes of it is logged too')
  await endsWell(t, app, log)
})

// ---- services in plugins

/** Notes what is published where. */
const note = (heard: string[], name: string) => ({ channel }: { channel: string }) => { heard.push(`${name} ${channel}`) }

t.test('within a plugin: its instance is the outermost place', async (t) => {
  const { app, log } = makeHost()
  const heard: string[] = []
  app.register(async (scope) => {
    await scope.register(fastifyPush, { prefix: '/api', channels: { root: {} } })
    scope.push.addHook('onPublish', note(heard, 'scope'))
    scope.register(async (deep) => {
      deep.push.addHook('onPublish', note(heard, 'deep'))
      deep.push.channel('deep')
      deep.get('/say', async function () { return this.push.publish('deep', 1) })
    }, { prefix: '/deep' })
  }, { prefix: '/v1' })
  const port = await listen(t, app)
  t.notOk(app.hasDecorator('push'))
  t.equal((await app.inject('/v1/deep/say')).statusCode, 200)
  t.same(heard, ['scope deep', 'deep deep'])
  await (await Peer.owner(`ws://127.0.0.1:${port}/v1/api/push`, { subscriptions: [{ channel: 'deep', qos: 1 }] })).close()
  await endsWell(t, app, log)
})

t.test('in two plugins side by side: two services that share nothing', async (t) => {
  const { app, log } = makeHost()
  const heard: string[] = []
  for (const name of ['one', 'two']) {
    app.register(async (scope) => {
      await scope.register(fastifyPush, { channels: { news: {} } })
      scope.push.addHook('onPublish', note(heard, name))
      scope.get('/say', async () => scope.push.publish('news', name))
    }, { prefix: `/${name}` })
  }
  const port = await listen(t, app)
  const peers = await Promise.all(['one', 'two'].map((name) => Peer.owner(`ws://127.0.0.1:${port}/${name}/push`, { subscriptions: [{ channel: 'news', qos: 1 }] })))
  await app.inject('/two/say')
  t.same(await peers[1]?.data(1), ['two'])
  await app.inject('/one/say')
  t.same(await peers[0]?.data(1), ['one'])
  t.same(heard, ['two news', 'one news'])
  for (const peer of peers) await peer.close()
  await endsWell(t, app, log)
})

t.test('an instance that was there before the plugin has a place of its own too', async (t) => {
  const app = Fastify()
  const heard: string[] = []
  let early: FastifyInstance | undefined
  await app.register(async (scope) => {
    early = scope
    t.equal(scope.push, undefined)
  })
  await app.register(fastifyPush)
  app.push.addHook('onPublish', note(heard, 'outer'))
  early?.push.addHook('onPublish', note(heard, 'early'))
  early?.push.channel('early')
  app.push.channel('root')
  await app.ready()
  for (const channel of ['root', 'early']) await app.push.publish(channel, 1)
  t.same(heard, ['outer root', 'outer early', 'early early'])
  await app.close()
})
