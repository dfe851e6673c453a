import t from 'tap'
import { story } from '../findings.js'
import { loadLibrary } from '../library.js'
import { errorsIn, mostErrors, PLANS } from './plans.js'
import { runRedisNemesis } from './run.js'

// Nodes on Redis keep their promises, or say so, while everything under them fails. NEMESIS_SEED replays a schedule of faults; `npm run chaos` goes on for as long as one likes.

t.setTimeout(240_000)
t.jobs = 2

const library = await loadLibrary()

for (const [name, plan] of Object.entries(PLANS)) {
  t.test(`${name}: ${plan.durable ? 'nothing acknowledged is lost' : 'what is lost is announced'}`, { timeout: 110_000 }, async (t) => {
    const seed = Number(process.env['NEMESIS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    t.comment(`NEMESIS_SEED=${seed}`)
    const { violations, history, faults, cuts, restarts, deaths, warnings, stuck } = await runRedisNemesis(library, { ...plan, seed })
    const errors = errorsIn(warnings)
    t.comment(JSON.stringify({ faults, cuts, restarts, events: history.length, warnings: warnings.length, errors }))
    t.equal(stuck, '', 'all became well by itself')
    for (const violation of violations.slice(0, 3)) t.comment(story(violation, history))
    t.strictSame(violations.slice(0, 20), [], `no violation (${violations.length})`)
    t.equal(deaths, 0, 'no node died by itself')
    t.ok(errors <= mostErrors(plan), `no flood of errors (${errors})`)
    t.equal(Object.values(faults).reduce((sum, count) => sum + count, 0), plan.count)
  })
}
