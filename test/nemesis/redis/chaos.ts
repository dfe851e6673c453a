import { loadLibrary } from '../library.js'
import { PLANS } from './plans.js'
import { runRedisNemesis } from './run.js'

// Long runs, by a command: see the README of contributors.
const library = await loadLibrary()
const names = process.argv.slice(2)
for (let seed = Number(process.env['NEMESIS_SEED'] ?? Math.floor(Math.random() * 2 ** 31)), i = 0; i < Number(process.env['RUNS'] ?? 1); seed++, i++) {
  for (const name of names) {
    const plan = PLANS[name]
    if (plan === undefined) throw new Error(`no such plan: ${name}`)
    const began = performance.now()
    const report = await runRedisNemesis(library, { ...plan, seed })
    const { violations, history, faults, cuts, restarts, deaths, warnings, stuck } = report
    console.log(name, `NEMESIS_SEED=${seed}`, Math.round(performance.now() - began), 'ms', JSON.stringify({ faults, cuts, restarts, deaths, events: history.length, warnings: warnings.length }))
    const said = new Map<string, number>()
    for (const { level, msg, err } of warnings) said.set(`${level} ${msg} ${(err as { message?: string } | undefined)?.message ?? ''}`, (said.get(`${level} ${msg} ${(err as { message?: string } | undefined)?.message ?? ''}`) ?? 0) + 1)
    console.log([...said].sort((a, b) => b[1] - a[1]).slice(0, 12))
    const kinds: Record<string, number> = {}
    for (const { kind } of violations) kinds[kind] = (kinds[kind] ?? 0) + 1
    const types: Record<string, number> = {}
    for (const { type } of history) types[type] = (types[type] ?? 0) + 1
    console.log(types, kinds, stuck)
    for (const { kind, text } of violations.slice(0, 10)) console.log(' ', kind, text)
  }
}
