import { cpSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { mutate } from '../../helpers/mutate.js'
import { spawnNode } from '../../helpers/spawn-node.js'
import { ofFaults } from './mutants.js'

// The tests of faults are proved: with a rule of the adapter broken, the one that is there for it fails.

/** How long a broken adapter has to get over a fault. Milliseconds. */
const PATIENCE = 8000
const BUILD = new URL('../../../', import.meta.url)
const FAULTS = 'test/storage/redis/faults.test.js'
const WORLD = 'test/storage/redis/world.js'

t.jobs = 6

/** Runs a test of faults on the adapter of a copy of the compiled library. Returns its verdict, `ok` or `not ok`. */
async function verdict (root: URL, beginning: string): Promise<string | undefined> {
  const child = spawnNode([fileURLToPath(new URL(FAULTS, root))], {
    env: { ...process.env, TAP_GREP: `/^${beginning}/`, FAULTS_PATIENCE: String(PATIENCE) },
    stdio: ['ignore', 'pipe', 'ignore']
  })
  let said = ''
  for await (const chunk of child.stdout as Readable) said += String(chunk)
  return new RegExp(`^(ok|not ok) \\d+ - ${beginning}`, 'm').exec(said)?.[1]
}

const nothing = { name: 'nothing is broken', mutations: [], test: 'scripts that Redis has forgotten' }

for (const [index, mutant] of [nothing, ...ofFaults].entries()) {
  const { name, mutations, test } = mutant
  t.test(name, { buffered: true }, async (t) => {
    const { root, release } = mutate(`redis-fault-${index}`, mutations)
    t.teardown(release)
    for (const path of ['test/helpers', FAULTS, WORLD]) cpSync(new URL(path, BUILD), new URL(path, root), { recursive: true })
    t.equal(await verdict(root, test), mutant === nothing ? 'ok' : 'not ok', test)
  })
}
