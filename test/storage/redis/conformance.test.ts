import { Redis } from 'ioredis'
import { RedisServer } from '../../helpers/redis.js'
import { conform } from './conforming.js'

await conform(async () => {
  const server = await RedisServer.start()
  return { client: new Redis({ port: server.port }), stop: () => server.stop() }
})
