import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { redisStorage, type RedisStorageOptions } from '../../../lib/storage/redis/index.js'
import { storageConformance } from '../../../lib/testkit/index.js'
import type { StorageAdapter } from '../../../types/storage.js'

/** Tests that run side by side: most of them wait most of the time. */
const AT_ONCE = 12

/** A Redis of some form. */
export interface Served {
  readonly client: RedisStorageOptions['client']
  stop (): Promise<void>
}

/**
 * Holds the adapter to the contract. Each test has a prefix of its own; time is the server's, so it really passes: two minutes of it. Left out, and said so, unless
 * REDIS_CONFORMANCE=1.
 */
export async function conform (serve: () => Promise<Served>): Promise<void> {
  if (process.env.REDIS_CONFORMANCE !== '1') {
    t.pass('two minutes of real time: REDIS_CONFORMANCE=1 npm test', { skip: true })
    return
  }
  const { client, stop } = await serve()
  client.on('error', () => {})
  t.teardown(async () => {
    client.disconnect()
    await stop()
  })
  t.jobs = AT_ONCE
  const prefixes = new WeakMap<StorageAdapter, string>()
  let created = 0
  // When the time of a test began, and how much of it has passed: what the operations themselves take is part of it, or it would add up.
  const times = new AsyncLocalStorage<{ readonly began: number, passed: number }>()

  const create = (prefix: string): StorageAdapter => {
    const storage = redisStorage({ client, prefix })
    prefixes.set(storage, prefix)
    return storage
  }

  storageConformance({
    test: (name, body) => t.test(name, { buffered: true }, () => times.run({ began: performance.now(), passed: 0 }, body)),
    create: () => create(`push-${created++}`),
    createPeer: (adapter) => create(prefixes.get(adapter) as string),
    advance: async (ms) => {
      const time = times.getStore() as { readonly began: number, passed: number }
      time.passed += ms
      await sleep(time.began + time.passed - performance.now())
    }
  })
}
