import { Redis } from 'ioredis'
import t from 'tap'
import { RedisServer } from '../../helpers/redis.js'
import { conform } from './conforming.js'

const server = await RedisServer.start()
const client = new Redis({ port: server.port })
t.teardown(async () => {
  client.disconnect()
  await server.stop()
})
conform(client)
