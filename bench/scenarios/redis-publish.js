import { measureRedisPublish } from '../measuring/redis-publish.js'

const OURS = 'fastify-push'
const AT_MOST_ONCE = 'fastify-push, heard at QoS 0'
const ALONE = 'its storage alone'
const STREAMS = 'socket.io, streams adapter'
const PUBSUB = 'socket.io, pub/sub adapter'
const PLAIN = 'ioredis PUBLISH, pipelined'

// As many as the streams adapter keeps.
const KEPT = { limit: 10_000, bytes: 16 * 1024 * 1024 }

// The adapters as their documentation has them send each command by itself.
const PIPELINED = ['streams', 'pubsub'].map((adapter) => ({
  peer: 'socket.io', name: `${adapter === 'streams' ? STREAMS : PUBSUB}, pipelined`, server: { adapter, pipelined: true }
}))

/** From one node to another, through Redis. */
export const redisPublish = {
  name: 'redis-publish',
  title: 'Through Redis to a subscriber on another node, 128 bytes',
  about: '64 publishes in each turn of the event loop, up to 1,024 on their way. Stored and acknowledged here; kept by the streams adapter; stored by nobody with the other two.',
  trials: () => [trial('concurrent', { turn: 64, window: 1024 }, PIPELINED, [
    { row: OURS, of: STREAMS, atLeast: 2.5 },
    { row: OURS, of: PUBSUB, atLeast: 3 },
    { row: AT_MOST_ONCE, of: PUBSUB },
    { row: ALONE, of: PLAIN, atLeast: 1.1 },
    { row: OURS, of: PLAIN, atLeast: 1.1 },
    ...PIPELINED.map(({ name }) => ({ row: OURS, of: name }))
  ])]
}

/** The same, each publish awaited before the next. */
export const redisOne = {
  name: 'redis-one',
  title: 'Through Redis to a subscriber on another node, one publish at a time, 128 bytes',
  about: 'The next message is published when Redis has answered for the last one.',
  trials: () => [trial('one at a time', { turn: 1, window: Infinity }, [], [{ row: OURS, of: PUBSUB, atLeast: 1.2 }, { row: AT_MOST_ONCE, of: PUBSUB }, { row: ALONE, of: PUBSUB }])]
}

function trial (name, load, more, targets) {
  return {
    name,
    unit: 'messages a second',
    load,
    contestants: [
      { peer: 'fastify-push', server: { history: KEPT } },
      { peer: 'fastify-push', name: AT_MOST_ONCE, server: { history: KEPT }, load: { qos: 0 } },
      { peer: 'fastify-push', name: ALONE, server: { storageAlone: true } },
      { peer: 'socket.io', name: STREAMS, server: { adapter: 'streams' } },
      { peer: 'socket.io', name: PUBSUB, server: { adapter: 'pubsub' } },
      ...more,
      { peer: 'ioredis', name: PLAIN }
    ],
    baseline: OURS,
    targets,
    columns: ['publisherCpu', 'redisCpu', 'followerCpu'],
    needs: ['ioredis'],
    measure: measureRedisPublish
  }
}
