import { Cluster } from 'ioredis'
import { RedisCluster } from '../../helpers/redis.js'
import { conform } from './conforming.js'

await conform(async () => {
  const cluster = await RedisCluster.start()
  return { client: new Cluster(cluster.addresses), stop: () => cluster.stop() }
})
