import { Redis } from 'ioredis'
import t from 'tap'
import { RedisSentinels } from '../../helpers/redis.js'
import { conform } from './conforming.js'

const sentinels = await RedisSentinels.start()
const client = new Redis({ sentinels: sentinels.addresses, name: sentinels.name })
client.on('error', () => {})
t.teardown(async () => {
  client.disconnect()
  await sentinels.stop()
})
conform(client)
