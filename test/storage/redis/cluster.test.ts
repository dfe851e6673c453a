import { Cluster } from 'ioredis'
import t from 'tap'
import { RedisCluster } from '../../helpers/redis.js'
import { conform } from './conforming.js'

const cluster = await RedisCluster.start()
const client = new Cluster(cluster.addresses)
client.on('error', () => {})
t.teardown(async () => {
  client.disconnect()
  await cluster.stop()
})
conform(client)
