import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Redis } from 'ioredis'
import { LISTEN, serve } from './serve.js'
import { Turns } from './turns.js'

// Large enough that none is met: what is measured is the work, not the refusal. A limit that a build does not know it ignores.
const LIMITS = {
  frameBytes: 1024 * 1024,
  helloTimeout: '60s',
  subscriptions: 1_000_000,
  publishesInFlight: 100_000,
  requestsInFlight: 1_000_000,
  framesPerSecond: 10_000_000,
  bytesPerSecond: 10_000_000_000,
  connections: 1_000_000,
  connectionsPerIp: 1_000_000,
  connectionsPerUser: 1_000_000,
  heapUsed: 1,
  bufferedBytesTotal: 4_000_000_000,
  silence: '12h'
}

const QOS_HOOKS = ['onDeliver', 'onAck', 'onRedeliver', 'onDrop', 'onGap']

/**
 * Options: `dist`, the folder it was built to; `compression`, as the plugin's; `history`, of all channels; `users`: each token is a user's name; `hooks`: what becomes of
 * every delivery is told to a hook; `redis`, the port of a Redis that nodes share; `channel`, to publish to in turns.
 * Handlers: `publish` messages of the server's own; `publishMany`, the same one so many times; `publishEach`, one to each of so many channels; `connections`, how many there are; `told`, how often a hook was;
 * those of turns.js.
 */
serve(async ({ dist, compression = false, history, users = false, hooks = false, redis, channel: published }) => {
  const entry = resolve(dist, 'lib/index.js')
  const { default: fastifyPush } = await import(pathToFileURL(entry))
  // The Fastify that the plugin was made with: that of its own tree.
  const { default: fastify } = await import(pathToFileURL(createRequire(entry).resolve('fastify')))
  const app = fastify()
  await app.register(fastifyPush, {
    ...(redis !== undefined && { storage: await sharedBy(redis, dist) }),
    compression,
    heartbeat: { interval: '1h' },
    channels: { '*': { clientPublish: true, ...(history && { history }) } },
    ...(users && { authenticate: (_request, { token }) => ({ userId: token }) }),
    limits: LIMITS
  })
  let told = 0
  if (hooks) {
    for (const name of QOS_HOOKS) app.push.addHook(name, () => { told++ })
  }
  const turns = new Turns((data) => app.push.publish(published, data, { qos: 1 }))
  await app.listen(LISTEN)
  return {
    port: app.server.address().port,
    handlers: {
      async publish ({ channel, messages, qos }) {
        for (const data of messages) await app.push.publish(channel, data, { qos })
      },
      async publishMany ({ channel, count, data }) {
        for (let i = 0; i < count; i++) await app.push.publish(channel, data, { qos: 1 })
      },
      async publishEach ({ channels, data }) {
        for (let i = 0; i < channels; i++) await app.push.publish(`idle/${i}`, data, { qos: 1 })
      },
      told: () => told,
      connections: () => app.push.stats().connections,
      ...turns.handlers
    }
  }
})

async function sharedBy (port, dist) {
  const { redisStorage } = await import(pathToFileURL(resolve(dist, 'lib/storage/redis/index.js')))
  return redisStorage({ client: new Redis({ port }) })
}
