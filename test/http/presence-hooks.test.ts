import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createClient } from '../../lib/client/node.js'
import fastifyPush, { memoryStorage, type FastifyPushOptions } from '../../lib/index.js'
import { ManualClock } from '../../lib/testkit/index.js'
import type { PresenceChange } from '../../types/hooks.js'
import { listen, makeHost } from '../helpers/app.js'
import { openNode } from '../helpers/node.js'
import { Peer, secret } from '../helpers/peer.js'

// `onPresence`, as a host adds it: where it is heard, in which order, why, and on which node.

const room = { presence: { grace: '1s' } }

/** Notes changes, and tells when there are so many. */
class Ear {
  readonly heard: string[] = []
  #look = (): void => {}

  hook (name: string) {
    return ({ channel, cause, member: { clientId, userId, data } }: PresenceChange): void => {
      this.heard.push([name, channel, cause, clientId, userId, data].join(' ').trim())
      this.#look()
    }
  }

  until (text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#look = () => { if (this.heard.includes(text)) resolve() }
      this.#look()
    })
  }
}

async function start (t: Test, prepare: (app: FastifyInstance) => void, options: FastifyPushOptions = {}) {
  const { app, log } = makeHost()
  await app.register(fastifyPush, options)
  prepare(app)
  const url = `ws://127.0.0.1:${await listen(t, app)}/push`
  return { app, url, log }
}

t.test('each cause, where the channel was declared and around it, in Fastify’s order', async (t) => {
  const ear = new Ear()
  const { url, log } = await start(t, (app) => {
    app.push.addHook('onPresence', ear.hook('outer'))
    app.register(async (scope) => {
      scope.push.channel('room/:id', room)
      scope.push.addHook('onPresence', ear.hook('inner'))
      scope.register(async (deep) => { deep.push.addHook('onPresence', ear.hook('deep')) })
    })
    app.register(async (scope) => { scope.push.addHook('onPresence', ear.hook('beside')) })
    app.push.addHook('onPresence', ear.hook('outer again'))
  }, { presence: { online: false } })
  const hello = { clientId: 'phone', session: secret() }
  const enter = async (peer: Peer, data?: unknown) => { await peer.ask({ type: 'enter', id: 1, channel: 'room/1', data } as { id: number }, 'entered') }
  const first = await Peer.owner(url, hello)
  await enter(first)
  await enter(first) // the same again: no change
  await enter(first, 'bored')
  first.webSocket.terminate()
  await ear.until('outer again room/1 timeout phone  bored')
  const second = await Peer.owner(url, hello)
  await enter(second, 'bored')
  second.webSocket.close(1000)
  await ear.until('outer again room/1 leave phone  bored')
  const expected = ['join phone', 'update phone  bored', 'timeout phone  bored', 'back phone  bored', 'leave phone  bored']
  t.same(ear.heard, expected.flatMap((change) => ['outer', 'outer again', 'inner'].map((name) => `${name} room/1 ${change}`)))
  t.same(log.filter(({ level }) => level >= 50), [])
})

t.test('who comes online is told in the outermost place', async (t) => {
  const ear = new Ear()
  const { url } = await start(t, (app) => {
    app.push.addHook('onPresence', ear.hook('outer'))
    app.register(async (scope) => {
      scope.push.channel('room/:id', room)
      scope.push.addHook('onPresence', ear.hook('inner'))
    })
  }, { authenticate: (_request, { token }) => ({ userId: token ?? '' }) })
  const client = createClient(url, { token: 'alice', clientId: 'phone' })
  await client.channel('room/1').enter({})
  await client.close()
  await ear.until('outer $user/alice leave phone alice')
  t.same(ear.heard.filter((text) => text.includes('$user')), ['outer $user/alice join phone alice', 'outer $user/alice leave phone alice'])
})

t.test('a hook that throws, or rejects, or never answers, changes nothing: it is logged', async (t) => {
  const ear = new Ear()
  const { app, url, log } = await start(t, (app) => {
    app.push.channel('room/:id', room)
    app.push.addHook('onPresence', () => { throw new Error('a bug in a hook') })
    app.push.addHook('onPresence', async () => { throw new Error('and in another') })
    app.push.addHook('onPresence', () => new Promise(() => {}))
    app.push.addHook('onPresence', ear.hook('last'))
  }, { presence: { online: false } })
  const watcher = createClient(url, { clientId: 'watcher' })
  const phone = createClient(url, { clientId: 'phone' })
  t.teardown(() => watcher.close())
  const joined = new Promise<string>((resolve) => { watcher.channel('room/1').on('join', ({ clientId }) => resolve(clientId)) })
  const left = new Promise<string>((resolve) => { watcher.channel('room/1').on('leave', ({ clientId }) => resolve(clientId)) })
  await watcher.channel('room/1').presence()
  await phone.channel('room/1').enter(1)
  t.equal(await joined, 'phone')
  t.equal((await app.push.presence('room/1')).connections, 1)
  await phone.close()
  t.equal(await left, 'phone')
  await ear.until('last room/1 leave phone  1')
  t.same(ear.heard, ['last room/1 join phone  1', 'last room/1 leave phone  1'])
  const logged = log.filter(({ level }) => level >= 50).map(({ err }) => (err as Error).message)
  t.same(logged, ['a bug in a hook', 'and in another', 'a bug in a hook', 'and in another'])
})

t.test('of several nodes, the one that the member is connected to tells', async (t) => {
  const memory = memoryStorage()
  await memory.open({ onError: (error) => { throw error } })
  t.teardown(() => memory.close())
  const storage = { ...memory, supports: { ...memory.supports, shared: true }, open: async () => {}, close: async () => {} }
  const ear = new Ear()
  const nodes = await Promise.all(['one', 'two'].map((name) => start(t, (app) => {
    app.push.channel('room/:id', room)
    app.push.addHook('onPresence', ear.hook(name))
  }, { storage, presence: { online: false } })))
  const [one, two] = nodes.map(({ url }, i) => createClient(url, { clientId: `c${i + 1}` }))
  await one?.channel('room/1').enter()
  await two?.channel('room/1').enter()
  t.equal((await nodes[0]?.app.push.presence('room/1'))?.connections, 2)
  await one?.close()
  await two?.close()
  await ear.until('two room/1 leave c2')
  t.same([...ear.heard].sort(), ['one room/1 join c1', 'one room/1 leave c1', 'two room/1 join c2', 'two room/1 leave c2'])
})

t.test('the members of a node that is gone: the one that lets them leave tells, once; of a channel that it does not have, nobody', async (t) => {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  await memory.open({ onError: (error) => { throw error } })
  const storage = { ...memory, supports: { ...memory.supports, shared: true }, open: async () => {}, close: async () => {} }
  const channels = { 'room/:id': { presence: true } }
  const gone = await openNode({ storage, clock, channels: { ...channels, elsewhere: { presence: true } }, presence: { online: false } })
  const peer = await gone.own({ clientId: 'phone' })
  const ear = new Ear()
  const rest = await Promise.all(['one', 'two'].map(async (name) => {
    const node = await openNode({ storage, clock, channels, presence: { online: false } })
    node.broker.hooks.add(node.broker.hooks.root, 'onPresence', ear.hook(name))
    return node
  }))
  for (const [i, channel] of ['room/1', 'elsewhere'].entries()) await peer.send({ type: 'enter', id: i + 1, channel })
  gone.broker.presence.close() // killed: it renews nothing and lets nobody leave
  await clock.advanceAsync(60_000)
  t.equal(ear.heard.length, 1)
  t.match(ear.heard, [/^(one|two) room\/1 timeout phone$/])
  t.same((await storage.presence.list('elsewhere', { after: null, limit: 0, bytes: 0 })).connections, 0)
  t.same(rest.flatMap(({ errors }) => errors), [])
})
