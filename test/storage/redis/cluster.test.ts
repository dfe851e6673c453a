import { Cluster } from 'ioredis'
import { RedisCluster } from '../../helpers/redis.js'
import { conform, restrict } from './conforming.js'

await conform(async () => {
  const cluster = await RedisCluster.start()
  return { client: new Cluster(cluster.addresses, { lazyConnect: true, redisOptions: await restrict(...cluster.nodes) }), stop: () => cluster.stop() }
})
