import t from 'tap'
import fastifyPush, { memoryStorage } from '../lib/index.js'
import { PushError } from '../lib/core/errors.js'
import { listen, makeHost, startApp } from './helpers/app.js'
import { overStorage } from './helpers/node.js'
import { Peer, secret } from './helpers/peer.js'

// A storage that is away fails whatever anybody asks for, and clients keep asking.

t.test('a storage that is away is logged once in a while, whatever the number of clients and publishes', async (t) => {
  const away = async (): Promise<never> => { throw new PushError('PUSH_STORAGE_UNAVAILABLE', undefined, { cause: new Error('not connected') }) }
  const storage = overStorage(memoryStorage(), { log: () => ({ append: away }), feed: (original) => ({ join: async (channel, listener) => await (/^(room|news)/.test(channel) ? away() : original.join(channel, listener)) }) })
  const { app, url, log } = await startApp(t, { storage })
  for (let i = 0; i < 20; i++) {
    const hello = { type: 'hello', session: secret(), subscriptions: [{ channel: `room/${i}`, qos: 1 }, { channel: 'news', qos: 1 }] }
    t.match(await (await Peer.open(url, { hello })).ended, { code: 4503, reason: 'PUSH_UNAVAILABLE' })
    await t.rejects(app.push.publish('news', i), { code: 'PUSH_STORAGE_UNAVAILABLE' })
  }
  const lines = log.filter(({ level, msg }) => level >= 40 && !msg.includes('authenticate'))
  t.same(lines.map(({ msg }) => msg).sort(), ['push: connection failed', 'push: publish failed', 'push: storage or hook failed'])
  t.equal(app.push.stats().failed, 20, 'each publish is counted')
})

t.test('a trouble that a storage tells of again and again is logged once in a while, whatever it says of its next attempt', async (t) => {
  const storage = memoryStorage()
  let tell: (error: Error) => void = () => {}
  const { log } = await startApp(t, { storage: { ...storage, open: async (context) => { tell = context.onError; await storage.open(context) } } })
  for (let i = 0; i < 20; i++) tell(new PushError('PUSH_STORAGE_UNAVAILABLE', undefined, { cause: new Error(`not connected: again after ${i}ms`) }))
  tell(new PushError('PUSH_STORAGE_UNAVAILABLE', undefined, { cause: new Error('wrong password') }))
  const told = log.filter(({ level }) => level === 50).map(({ err }) => (err as Error).message)
  t.equal(told.length, 2)
  t.match(told, [/not connected/, /wrong password/])
})

t.test('what a hook does wrong is logged each time', async (t) => {
  const { app, log } = makeHost()
  await app.register(fastifyPush, { channels: { news: {} } })
  app.push.addHook('onPublish', () => { throw new Error('a bug') })
  await listen(t, app)
  for (let i = 0; i < 3; i++) await t.rejects(app.push.publish('news', i), { code: 'PUSH_UNAVAILABLE' })
  t.equal(log.filter(({ level }) => level === 50).length, 3)
})
