import { Redis } from 'ioredis'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { redisStorage } from '../../../lib/storage/redis/index.js'
import { storageConformance } from '../../../lib/testkit/index.js'
import type { StorageAdapter } from '../../../types/storage.js'
import { RedisServer } from '../../helpers/redis.js'

const server = await RedisServer.start()
const client = new Redis({ port: server.port })
t.teardown(async () => {
  client.disconnect()
  await server.stop()
})

const prefixes = new WeakMap<StorageAdapter, string>()
let created = 0
/** When the time of this test began, and how much of it has passed: what the operations themselves take is part of it, or it would add up. */
let began = performance.now()
let passed = 0

function create (prefix: string): StorageAdapter {
  const storage = redisStorage({ client, prefix })
  prefixes.set(storage, prefix)
  return storage
}

storageConformance({
  test: (name, body) => t.test(name, async () => {
    began = performance.now()
    passed = 0
    await body()
  }),
  create: () => create(`push-${created++}`),
  createPeer: (adapter) => create(prefixes.get(adapter) as string),
  advance: async (ms) => {
    passed += ms
    await sleep(began + passed - performance.now())
  }
})
