import { Redis } from 'ioredis'
import { RedisServer } from '../../helpers/redis.js'
import { conform, restrict } from './conforming.js'

await conform(async () => {
  const server = await RedisServer.start()
  return { client: new Redis({ port: server.port, lazyConnect: true, ...await restrict(server) }), stop: () => server.stop() }
})
