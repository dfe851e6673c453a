import t from 'tap'
import { loadModules } from './modules.js'
import { describe, runSeed } from './run.js'

// Hundreds of runs of the whole delivery design on the real modules. MODEL_SEEDS says how many, MODEL_SEED replays one.
const SEEDS = Number(process.env.MODEL_SEEDS ?? 600)
const FIRST = Number(process.env.MODEL_FIRST ?? 1)

t.setTimeout(600_000)

t.test('every promise holds, whatever goes wrong', { timeout: 600_000 }, async (t) => {
  const modules = await loadModules()
  if (process.env.MODEL_SEED !== undefined) {
    const history = await runSeed(modules, Number(process.env.MODEL_SEED))
    console.log(history.trace.join('\n'))
    return t.equal(history.findings.length, 0, describe(Number(process.env.MODEL_SEED), history))
  }
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const history = await runSeed(modules, seed)
    if (history.findings.length > 0) return t.fail(describe(seed, history))
  }
  t.pass(`${SEEDS} seeds`)
})
