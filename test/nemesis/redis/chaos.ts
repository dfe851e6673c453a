import { story } from '../findings.js'
import { loadLibrary } from '../library.js'
import { errorsIn, LONG_PLANS as PLANS, mostErrors, type PlanName } from './plans.js'
import { runRedisNemesis, type Report } from './run.js'

/*
 * Long runs, by `npm run chaos`: every plan in turn, each time with another seed, until the minutes are over. Exits with 1 if a run was wrong.
 * `NEMESIS_MINUTES` (default 10; 0: each plan once), `NEMESIS_SEED` (of the first round), `NEMESIS_COUNT` (faults a run), `NEMESIS_NODES` (default 3), and the
 * names of plans as arguments.
 */

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PLANS)
const minutes = Number(process.env['NEMESIS_MINUTES'] ?? 10)
const first = Number(process.env['NEMESIS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const library = await loadLibrary()
const until = performance.now() + minutes * 60_000
const faults = new Map<string, number>()
let runs = 0
let events = 0

for (let seed = first; seed === first || performance.now() < until; seed++) {
  for (const name of names) {
    if (!Object.hasOwn(PLANS, name)) throw new Error(`there is no plan ${name}, but ${Object.keys(PLANS).join(', ')}`)
    const plan = PLANS[name as PlanName]
    const count = Number(process.env['NEMESIS_COUNT'] ?? plan.count)
    const nodes = Number(process.env['NEMESIS_NODES'] ?? 3)
    const report = await runRedisNemesis(library, { ...plan, count, nodes, seed })
    const isFlood = errorsIn(report.warnings) > mostErrors({ nodes, count })
    runs++
    events += report.history.length
    for (const [kind, times] of Object.entries(report.faults)) faults.set(kind, (faults.get(kind) ?? 0) + times)
    tell(`NEMESIS_SEED=${seed} npm run chaos ${name}`, report, isFlood)
  }
}
console.log(`${runs} runs, ${events} events; faults: ${JSON.stringify(Object.fromEntries(faults))}`)

function tell (replay: string, { violations, history, faults, cuts, restarts, deaths, warnings, stuck }: Report, isFlood: boolean): void {
  const isRight = violations.length === 0 && deaths === 0 && stuck === '' && !isFlood
  const checked = countBy(history, ({ type }) => type)
  console.log(`${isRight ? 'right' : 'WRONG'}: ${replay} ${JSON.stringify({ faults, cuts, restarts, deaths, errors: errorsIn(warnings), checked })}`)
  if (process.env['NEMESIS_WARNINGS'] !== undefined) console.log(countBy(warnings, ({ level, msg, err }) => `${level} ${msg}: ${(err as Error | undefined)?.message ?? ''}`))
  if (isRight) return
  console.log(stuck, countBy(violations, ({ kind }) => kind))
  for (const { kind, text } of violations.slice(0, 20)) console.log(`  ${kind}: ${text}`)
  for (const violation of violations.slice(0, 3)) console.log(story(violation, history))
  process.exitCode = 1
}

function countBy<Item> (items: readonly Item[], nameOf: (item: Item) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[nameOf(item)] = (counts[nameOf(item)] ?? 0) + 1
  return counts
}
