import { Redis } from 'ioredis'
import { RedisSentinels } from '../../helpers/redis.js'
import { conform } from './conforming.js'

await conform(async () => {
  const sentinels = await RedisSentinels.start()
  return { client: new Redis({ sentinels: sentinels.addresses, name: sentinels.name, natMap: sentinels.natMap }), stop: () => sentinels.stop() }
})
