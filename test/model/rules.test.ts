import t, { type Test } from 'tap'
import { mutate } from '../helpers/mutate.js'
import { loadModules } from './modules.js'
import { rules, type Rule } from './rules.js'
import { runSeed } from './run.js'
import { search } from './search.js'
import type { Focus } from './setup.js'

// The proof of the model: each rule of the design is switched off in turn, and the checker must find out, by the
// promise that the table names. MODEL_RULE tries one alone (part of its name); MODEL_RULE_SEEDS bounds the search.
const SEEDS = Number(process.env.MODEL_RULE_SEEDS ?? 1000)
const { MODEL_RULE = '' } = process.env
const wanted = rules.filter(({ rule }) => rule.includes(MODEL_RULE))

t.setTimeout(600_000)

// What goes wrong with the rule in force proves nothing; the model's own test tells.
const holds = async (seed: number, focus?: Focus): Promise<boolean> => (await runSeed(await loadModules(), seed, focus)).findings.length === 0

for (const [i, row] of wanted.entries()) {
  t.test(row.rule, { timeout: 240_000 }, async (t) => {
    const { root, release } = mutate(`rule-${i}`, row.mutations)
    t.teardown(release)
    await checkCaught(t, row, root.href)
  })
}

async function checkCaught (t: Test, { caught, focus, from = 1 }: Rule, root: string): Promise<void> {
  const end = from + SEEDS
  for (let next = from; next < end;) {
    const found = await search({ from: next, count: end - next, focus, root })
    if (found === null) break
    const { seed, kind, text } = found
    next = seed + 1
    if (!await holds(seed, focus)) continue
    const isExpected = caught.includes(kind)
    if (!isExpected) t.comment(text)
    t.ok(isExpected, `seed ${seed} catches it by '${kind}'`)
    return
  }
  t.fail(`not caught in ${SEEDS} seeds from ${from} on`)
}
