import { Redis } from 'ioredis'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RedisAddress } from '../../helpers/redis-node.js'
import { RedisCluster, RedisSentinels, RedisServer } from '../../helpers/redis.js'
import type { Random } from '../../model/random.js'

/** What the nodes share. */
export interface Store {
  readonly address: RedisAddress
  /** Its servers. */
  readonly servers: readonly RedisServer[]
  /** One of those that take writes. */
  master (): Promise<RedisServer>
  /** Asks the first server for something, waiting until it is there. */
  ask (command: string, ...args: string[]): Promise<unknown>
  stop (): Promise<void>
}

/** `server`: one; `sentinel`: a master, its replica and three sentinels; `cluster`: of six. */
export type StoreKind = 'server' | 'sentinel' | 'cluster'

/** `args`: of redis-server. */
export async function startStore (kind: StoreKind, args: readonly string[], random: Random): Promise<Store> {
  if (kind === 'sentinel') {
    const sentinels = await RedisSentinels.start(...args)
    await sentinels.watch()
    const { name, master, replica } = sentinels
    return storeOf({ name, sentinels: sentinels.addresses }, [master, replica], sentinels, random)
  }
  if (kind === 'cluster') {
    const cluster = await RedisCluster.start(...args)
    await cluster.watch()
    return storeOf({ cluster: cluster.addresses }, cluster.nodes, cluster, random)
  }
  const server = await RedisServer.start(...args)
  return storeOf({ port: server.port }, [server], server, random)
}

function storeOf (address: RedisAddress, servers: readonly RedisServer[], all: { stop (): Promise<void> }, random: Random): Store {
  const admins = servers.map(({ port }) => {
    const admin = new Redis({ port, maxRetriesPerRequest: null, retryStrategy: () => 50 })
    admin.on('error', () => {})
    return admin
  })
  return {
    address,
    servers,
    ask: async (command, ...args) => await admins[0]?.call(command, ...args),
    async master () {
      for (;;) {
        // During a failover there may be none.
        const roles = await Promise.all(admins.map((admin) => admin.role().catch(() => [])))
        const masters = servers.filter((_, i) => roles[i]?.[0] === 'master')
        if (masters.length > 0) return random.pick(masters)
        await sleep(50)
      }
    },
    async stop () {
      for (const admin of admins) admin.disconnect()
      await all.stop()
    }
  }
}
