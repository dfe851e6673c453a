import t from 'tap'
import { loadModules } from './modules.js'
import { describe, runSeed } from './run.js'
import { search } from './search.js'

// Hundreds of runs of the whole delivery design on the real modules. MODEL_SEEDS says how many, MODEL_SEED replays one.
const SEEDS = Number(process.env.MODEL_SEEDS ?? 600)
const FIRST = Number(process.env.MODEL_FIRST ?? 1)

t.setTimeout(600_000)

t.test('every promise holds, whatever goes wrong', { timeout: 600_000 }, async (t) => {
  if (process.env.MODEL_SEED !== undefined) {
    const history = await runSeed(await loadModules(), Number(process.env.MODEL_SEED))
    console.log(history.trace.join('\n'))
    return t.equal(history.findings.length, 0, describe(Number(process.env.MODEL_SEED), history))
  }
  t.equal((await search({ from: FIRST, count: SEEDS }))?.text, undefined, `${SEEDS} seeds from ${FIRST} on`)
})
