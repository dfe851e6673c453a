import { measureRedisStorm } from '../measuring/redis-storm.js'

const CLIENTS = 10_000

/** Everybody comes back at once, to two nodes. */
export const redisStorm = {
  name: 'redis-storm',
  title: 'All clients of two nodes reconnect at once',
  about: 'Ten messages of 128 bytes in each channel are published while they are away. `killed`: both nodes were killed and started anew, so nothing in them is compiled. In memory nothing outlives a node, so connections are cut instead.',
  trials: ({ quick }) => [storm(quick ? 1000 : CLIENTS, 1), storm(quick ? 1000 : CLIENTS, 100)]
}

function storm (subscribers, channels) {
  return {
    name: `N=${subscribers}, ${channels === 1 ? 'one channel' : `${channels} channels`}`,
    unit: 'ms until all have what they missed',
    load: { subscribers, channels },
    missed: 10,
    contestants: [
      { peer: 'fastify-push', name: 'memory, cut off', storm: { redis: false, restart: false } },
      { peer: 'fastify-push', name: 'Redis, cut off', storm: { redis: true, restart: false } },
      { peer: 'fastify-push', name: 'Redis, killed', storm: { redis: true, restart: true } }
    ],
    baseline: 'memory, cut off',
    targets: [
      { row: 'Redis, cut off', of: 'memory, cut off' },
      { row: 'Redis, killed', of: 'memory, cut off' }
    ],
    columns: ['perConnection', 'commands', 'reads'],
    needs: ['ioredis'],
    measure: measureRedisStorm
  }
}
