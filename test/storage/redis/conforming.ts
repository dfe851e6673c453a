import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import t from 'tap'
import { redisStorage, type RedisStorageOptions } from '../../../lib/storage/redis/index.js'
import { storageConformance } from '../../../lib/testkit/index.js'
import type { StorageAdapter } from '../../../types/storage.js'
import type { RedisServer } from '../../helpers/redis.js'

/** Tests that run side by side: most of them wait most of the time. */
const AT_ONCE = 12

/** A Redis of some form. */
export interface Served {
  readonly client: RedisStorageOptions['client']
  stop (): Promise<void>
}

const README = new URL('../../../../README.md', import.meta.url)

/** Makes the user that the README describes on each of these servers, with the rights that it says. Returns how a client gets in as that user. */
export async function restrict (...servers: readonly RedisServer[]): Promise<{ readonly username: string, readonly password: string }> {
  const rule = /^ *ACL SETUSER (.*)$/m.exec(readFileSync(README, 'utf8'))?.[1] as string
  const [, username, password] = /^(\S+) .*>(\S+)/.exec(rule) as unknown as [string, string, string]
  for (const { port } of servers) {
    const admin = new Redis({ port })
    await admin.call('ACL', 'SETUSER', ...rule.split(' '))
    admin.disconnect()
  }
  return { username, password }
}

/** Holds the adapter to the contract. Each test has a prefix of its own; time is the server's, so it really passes. */
export async function conform (serve: () => Promise<Served>): Promise<void> {
  const { client, stop } = await serve()
  client.on('error', () => {})
  t.teardown(async () => {
    client.disconnect()
    await stop()
  })
  t.jobs = AT_ONCE
  const prefixes = new WeakMap<StorageAdapter, string>()
  let created = 0

  const create = (prefix: string): StorageAdapter => {
    const storage = redisStorage({ client, prefix, timeout: '20s' })
    prefixes.set(storage, prefix)
    return storage
  }

  const tests: Array<{ readonly name: string, readonly body: () => Promise<void> }> = []
  storageConformance({
    test: (name, body) => tests.push({ name, body }),
    create: () => create(`push:${created++}`),
    createPeer: (adapter) => create(prefixes.get(adapter) as string),
    onAgain: (name, { message }) => t.comment(`${name}: ${message}`),
    patience: 20_000
  })
  // The random ones wait the longest, so they do not begin last; nor first, when everything is slow yet.
  const rank = ({ name }: { readonly name: string }): number => name.startsWith('lifecycle:') ? 0 : name.startsWith('random:') ? 1 : 2
  for (const { name, body } of tests.sort((one, other) => rank(one) - rank(other))) t.test(name, { buffered: true }, body)
}
