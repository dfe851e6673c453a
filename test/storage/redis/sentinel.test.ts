import { Redis } from 'ioredis'
import { RedisSentinels } from '../../helpers/redis.js'
import { conform, restrict } from './conforming.js'

await conform(async () => {
  const sentinels = await RedisSentinels.start()
  const { addresses, name, natMap, master, replica } = sentinels
  return { client: new Redis({ sentinels: addresses, name, natMap, lazyConnect: true, ...await restrict(master, replica) }), stop: () => sentinels.stop() }
})
