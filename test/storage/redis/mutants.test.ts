import { Redis } from 'ioredis'
import t from 'tap'
import { mutate, type Mutation } from '../../helpers/mutate.js'
import { RedisServer } from '../../helpers/redis.js'
import { mutants, type Mutant } from './mutants.js'

// The tests are proved: with a rule of the adapter broken, the one that is there for it fails.

/** How long a broken adapter has to announce what it never will. Milliseconds. */
const PATIENCE = 2000

t.jobs = 16

const server = await RedisServer.start()
const client = new Redis({ port: server.port })
t.teardown(async () => {
  client.disconnect()
  await server.stop()
})

/** The kit's tests on the adapter of a copy of the compiled library, by their names. */
async function load (name: string, mutations: readonly Mutation[]): Promise<Map<string, () => Promise<void>>> {
  const { root, release } = mutate(`redis-${name}`, mutations)
  t.teardown(release)
  const { redisStorage } = await import(new URL('lib/storage/redis/index.js', root).href) as typeof import('../../../lib/storage/redis/index.js')
  const { storageConformance } = await import(new URL('lib/testkit/index.js', root).href) as typeof import('../../../lib/testkit/index.js')
  const tests = new Map<string, () => Promise<void>>()
  let created = 0
  storageConformance({
    test: (name, body) => tests.set(name, body),
    create: () => redisStorage({ client, prefix: `${name}-${created++}`, timeout: '20s' }),
    onAgain: (name, { message }) => t.comment(`${name}: ${message}`),
    patience: PATIENCE
  })
  return tests
}

const failure = (test: () => Promise<void>): Promise<Error | null> => test().then(() => null, (error: Error) => error)

// All first, and one after the other: while modules are loaded nothing else goes on, and tests would be late.
const right = await load('right', [])
const loaded: Array<readonly [mutant: Mutant, tests: Map<string, () => Promise<void>>]> = []
for (const [index, mutant] of mutants.entries()) loaded.push([mutant, await load(`${index}`, mutant.mutations)])

for (const beginning of new Set(mutants.map(({ test }) => test))) {
  t.test(`nothing is broken: ${beginning}`, { buffered: true }, async (t) => {
    const found = [...right].filter(([name]) => name.startsWith(beginning))
    t.equal(found.length, 1)
    for (const [name, test] of found) t.equal(await failure(test), null, name)
  })
}

for (const [{ name, test }, tests] of loaded) {
  t.test(name, { buffered: true }, async (t) => {
    for (const [title, body] of tests) {
      if (!title.startsWith(test)) continue
      const error = await failure(body)
      t.ok(error, title)
      t.comment(error?.message.split('\n').slice(0, 8).join(' '))
      t.notMatch(`${error?.message} ${String(error?.cause)}`, /user_script|compil/, 'it does something else, and does not just break off')
    }
  })
}
