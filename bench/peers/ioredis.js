import { redis } from './redis.js'
import { startNodeServer, versionOf } from './node-server.js'

/** Redis' own pub/sub by its client alone: `PUBLISH` on one side, a subscription on the other. It stores nothing and has no WebSocket. */
export const ioredis = {
  title: 'PUBLISH with automatic pipelining',
  Wire: null,
  version: () => redis.version() === null ? null : `${versionOf('ioredis')}, redis-server ${redis.version()}`,
  start: (options, core) => startNodeServer('ioredis', options, core)
}
