import { measureRedisQuiet } from '../measuring/redis-quiet.js'

const PUBSUB = 'socket.io, pub/sub adapter'
const STREAMS = 'socket.io, streams adapter'

/** What a node hears of channels that nobody on it follows. */
export const redisQuiet = {
  name: 'redis-quiet',
  title: 'A third node, of which nobody follows the channel',
  about: 'Counted on its connections to Redis, on the way: how often a published text comes by, and how many bytes. It has a subscriber of another channel.',
  trials: () => [{
    name: '5,000 messages',
    unit: 'messages it gets for each published',
    load: { count: 5000, turn: 64, window: 1024 },
    contestants: [
      { peer: 'fastify-push' },
      { peer: 'socket.io', name: STREAMS, server: { adapter: 'streams' } },
      { peer: 'socket.io', name: PUBSUB, server: { adapter: 'pubsub' } }
    ],
    targets: [STREAMS, PUBSUB].map((of) => ({ row: 'fastify-push', of, atMost: 0 })),
    columns: ['bytes'],
    needs: ['ioredis'],
    measure: measureRedisQuiet
  }]
}
