import t from 'tap'
import { inspect } from '../../../lib/storage/redis/inspection.js'

const REDIS = { redis_version: '7.4.2', master_replid: 'a'.repeat(40), maxmemory: '0', maxmemory_policy: 'noeviction' }

/** Looks at a server that says this in INFO. Returns what the host is warned of; rejects where the server is refused. */
async function look (fields: Readonly<Record<string, string>>): Promise<string[]> {
  const info = `# Server\r\n${Object.entries(fields).map(([name, value]) => `${name}:${value}\r\n`).join('')}`
  const warnings: string[] = []
  await inspect([{ info: async () => info }], 1000, (text) => { warnings.push(text) })
  return warnings
}

t.test('a server that will do', async (t) => {
  t.same(await look(REDIS), [])
  t.same(await look({ ...REDIS, redis_version: '10.0.0' }), [], 'versions are numbers')
  t.same(await look({ ...REDIS, maxmemory_policy: 'allkeys-lru' }), [], 'without a limit it drops nothing')
})

t.test('one that is too old', async (t) => {
  for (const version of ['6.2.14', '2.8.0']) await t.rejects(look({ ...REDIS, redis_version: version }), { code: 'PUSH_OPTIONS', message: new RegExp(version) })
})

t.test('one that does not say which server it is', async (t) => {
  const { master_replid: _, ...silent } = REDIS
  await t.rejects(look(silent), { code: 'PUSH_OPTIONS', message: /master_replid/ })
})

t.test('one that may drop what is to be kept is warned of', async (t) => {
  t.match(await look({ ...REDIS, maxmemory: '1000', maxmemory_policy: 'volatile-ttl' }), [/volatile-ttl/])
})
