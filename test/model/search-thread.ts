import { parentPort, workerData } from 'node:worker_threads'
import { loadModules } from './modules.js'
import { describe, runSeed } from './run.js'
import type { Found, Search } from './search.js'

const { from, count, focus, root } = workerData as Search
const modules = await loadModules(root === undefined ? undefined : new URL(root))
let found: Found | null = null
for (let seed = from; seed < from + count && found === null; seed++) {
  const history = await runSeed(modules, seed, focus)
  const [first] = history.findings
  if (first !== undefined) found = { seed, kind: first.kind, text: describe(seed, history) }
}
parentPort?.postMessage(found)
