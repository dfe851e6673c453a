import { Redis } from 'ioredis'
import { spawn } from 'node:child_process'
import { cpSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { mutate, type Mutation } from '../../helpers/mutate.js'
import { RedisServer } from '../../helpers/redis.js'
import { mutants, ofFaults, type Mutant } from './mutants.js'

// The tests are proved: with a rule of the adapter broken, the one that is there for it fails.

/** How long a broken adapter has to announce what it never will, and to get over a fault. Milliseconds. */
const PATIENCE = { kit: 2000, faults: 8000 }
const BUILD = new URL('../../../', import.meta.url)
const FAULTS = 'test/storage/redis/faults.test.js'
const WORLD = 'test/storage/redis/world.js'

t.jobs = 16

const server = await RedisServer.start()
const client = new Redis({ port: server.port })
t.teardown(async () => {
  client.disconnect()
  await server.stop()
})

/** A copy of the compiled library, for as long as this file runs. */
function copy (name: string, mutations: readonly Mutation[]): URL {
  const { root, release } = mutate(`redis-${name}`, mutations)
  t.teardown(release)
  return root
}

/** The kit's tests on the adapter of such a copy, by their names. */
async function load (name: string, mutations: readonly Mutation[]): Promise<Map<string, () => Promise<void>>> {
  const root = copy(name, mutations)
  const { redisStorage } = await import(new URL('lib/storage/redis/index.js', root).href) as typeof import('../../../lib/storage/redis/index.js')
  const { storageConformance } = await import(new URL('lib/testkit/index.js', root).href) as typeof import('../../../lib/testkit/index.js')
  const tests = new Map<string, () => Promise<void>>()
  let created = 0
  storageConformance({
    test: (name, body) => tests.set(name, body),
    create: () => redisStorage({ client, prefix: `${name}-${created++}`, timeout: '20s' }),
    onAgain: (name, { message }) => t.comment(`${name}: ${message}`),
    patience: PATIENCE.kit
  })
  return tests
}

const failure = (test: () => Promise<void>): Promise<Error | null> => test().then(() => null, (error: Error) => error)

/** Runs a test of faults on the adapter of such a copy. Returns its verdict, `ok` or `not ok`. */
async function verdict (root: URL, beginning: string): Promise<string | undefined> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(FAULTS, root))], {
    env: { ...process.env, TAP_GREP: `/^${beginning}/`, FAULTS_PATIENCE: String(PATIENCE.faults) },
    stdio: ['ignore', 'pipe', 'ignore']
  })
  let said = ''
  for await (const chunk of child.stdout) said += String(chunk)
  return new RegExp(`^(ok|not ok) \\d+ - ${beginning}`, 'm').exec(said)?.[1]
}

// All first, and one after the other: while files are copied and modules loaded nothing else goes on, and tests would be late.
const copied = ofFaults.map((mutant, index) => {
  const root = copy(`fault-${index}`, mutant.mutations)
  for (const path of ['test/helpers', FAULTS, WORLD]) cpSync(new URL(path, BUILD), new URL(path, root), { recursive: true })
  return [mutant, root] as const
})
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

for (const [{ name, test }, root] of copied) {
  t.test(`${name} (faults)`, { buffered: true }, async (t) => {
    t.equal(await verdict(root, test), 'not ok', test)
  })
}
