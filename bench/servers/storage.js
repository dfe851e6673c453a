import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Redis } from 'ioredis'
import { Listener } from './listener.js'
import { serve } from './serve.js'
import { Turns } from './turns.js'

const RETENTION = { limit: 10_000, bytes: 16 * 1024 * 1024, ttl: 120_000 }

/**
 * The Redis storage of this plugin without the plugin: records are appended to a log, and heard of on its feed. Their bodies are the JSON of the data.
 * Options: `dist`, `redis`, the port; `follows`, a channel. Handlers: those of a publisher, and of the one subscriber.
 */
serve(async ({ dist, redis, channel, follows }) => {
  const { redisStorage } = await import(pathToFileURL(resolve(dist, 'lib/storage/redis/index.js')))
  const storage = redisStorage({ client: new Redis({ port: redis }) })
  await storage.open({ onError (error) { throw error } })
  const listener = new Listener()
  if (follows !== undefined) {
    await storage.feed.join(follows, {
      records: ({ records }) => { for (const { body } of records) listener.heard(body) },
      volatile () {},
      interrupted () { throw new Error('announcements were lost') }
    })
  }
  const turns = new Turns(async (data) => {
    const [{ status }] = await storage.log.append(channel, [{ body: Buffer.from(JSON.stringify(data)), qos: 1 }], RETENTION)
    if (status !== 'stored') throw new Error(`it was ${status}`)
  })
  return { port: 0, handlers: { ...turns.handlers, ...listener.handlers } }
})
