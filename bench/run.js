import { mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { chartOf } from './chart.js'
import { machine } from './machine.js'
import { buildProduct } from './preparation.js'
import { killChildren, whyNotPinned } from './processes/children.js'
import { judge, tableOf } from './report.js'
import { scenarios } from './scenarios/index.js'
import { known, readArguments } from './settings.js'

const RESULTS = new URL('results/', import.meta.url)

/** The command `bench`: measures, prints tables, and writes the result. */
export async function runCommand (args) {
  endChildrenWithThis()
  try {
    const settings = readArguments(args)
    if (settings.rest.length > 0) settings.scenarios = settings.rest.flatMap((list) => known(list, scenarios, 'scenario'))
    settings.dist = settings.dist === undefined ? buildProduct() : resolve(settings.dist)
    const result = await runScenarios(settings)
    if (settings.json !== undefined) writeFileSync(settings.json, `${JSON.stringify(result, null, 2)}\n`)
    if (isWhole(settings)) publishResults(result)
  } catch (error) {
    console.error(`bench: ${error.message}`)
    process.exitCode = 1
  }
}

const isWhole = ({ rest, names, quick }) => rest.length === 0 && names === undefined && !quick

// What the README shows.
function publishResults (result) {
  mkdirSync(RESULTS, { recursive: true })
  writeFileSync(new URL('results.json', RESULTS), `${JSON.stringify(result, null, 2)}\n`)
  writeFileSync(new URL('chart.svg', RESULTS), chartOf(result))
}

/** Sees to it that nothing this process started goes on without it. */
export function endChildrenWithThis () {
  process.on('exit', killChildren)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130))
}

/** Measures all trials of the scenarios asked for, prints each as soon as it is known, and returns the result as it is written to a file. */
export async function runScenarios (settings) {
  const about = machine()
  console.log(`${about.cpu}, ${about.cores} cores, Node.js ${about.node}; ${settings.rounds} rounds of ${settings.roundCpu} ms of server CPU`)
  if (whyNotPinned() !== null) console.log(`Note: ${whyNotPinned()}`)
  const trials = []
  for (const name of settings.scenarios) {
    const scenario = scenarios[name]
    console.log(`\n${scenario.title}`)
    for (const each of scenario.trials(settings)) {
      const rows = await each.measure(each, settings)
      settings.progress('')
      const verdicts = judge(settings.trees === undefined ? each : betweenTrees(rows), rows)
      console.log(tableOf(each, rows, verdicts, each.columns))
      trials.push({ scenario: name, name: each.name, unit: each.unit, rows, targets: verdicts })
    }
  }
  return { machine: about, quick: settings.quick, rounds: settings.rounds, trials }
}

// Instead of its targets: each row of this tree against the row of the other one, which follows it.
function betweenTrees (rows) {
  const pairs = rows.flatMap(({ name }, i) => i % 2 === 0 ? [{ row: name, of: rows[i + 1].name }] : [])
  return { targets: pairs }
}
