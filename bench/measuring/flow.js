import { summarize, median } from '../statistics.js'
import { entrants, interleave, isInstalled, notInstalled, withContestants } from './contest.js'
import { roundLength } from './round-length.js'

const BUSY = 0.95 // share of its core from which on the wall rate is the load generator's

/**
 * Measures a flow of messages: server CPU per delivery, and what else the rounds tell.
 * @param {import('../scenarios/index.js').Trial} trial
 * @param {import('../settings.js').Settings} settings
 */
export async function measureFlow (trial, settings) {
  const asked = entrants(trial, settings)
  const rows = await withContestants(asked.filter(isInstalled), async (contestants) => {
    const publishes = new Map()
    const notes = new Map()
    for (const contestant of contestants) {
      settings.progress(`${trial.name}: starting ${contestant.name}`)
      const load = { kind: 'flow', ...trial.load, ...contestant.loadOptions }
      await contestant.startServer()
      if (contestant.prepare !== undefined) await contestant.server.call('do', contestant.prepare)
      const { compressed } = await contestant.startLoad(load)
      notes.set(contestant, load.deflate && !compressed ? ['compression was not negotiated'] : [])
      publishes.set(contestant, await warmUp(contestant, load.pacing, settings.roundCpu))
    }
    const results = await interleave(contestants, settings.rounds, (contestant, round) => {
      settings.progress(`${trial.name}: round ${round + 1} of ${settings.rounds}, ${contestant.name}`)
      return contestant.load('run', { publishes: publishes.get(contestant) })
    })
    return [...results].map(([contestant, rounds]) => rowOf(contestant, rounds, trial.value ?? cpuPerDelivery, notes.get(contestant)))
  })
  return [...rows, ...notInstalled(asked)]
}

/** Microseconds of server CPU for each delivery. */
export const cpuPerDelivery = ({ serverCpu, deliveries }) => serverCpu / 1000 / deliveries

// At a fixed rate time is all there is to choose.
async function warmUp (contestant, { kind, burst = 1, perSecond }, roundCpu) {
  if (kind !== 'rate') return roundLength((publishes) => contestant.load('run', { publishes }), roundCpu, burst)
  const publishes = Math.ceil(perSecond * roundCpu / 1000 * 2)
  await contestant.load('run', { publishes })
  return publishes
}

function rowOf ({ name, peer }, rounds, value, notes) {
  const of = (read) => median(rounds.map(read))
  const busy = of(({ loadCpu, wall }) => loadCpu / 1e6 / wall)
  return {
    name,
    peer,
    ...summarize(rounds.map(value)),
    more: {
      cpu: of(cpuPerDelivery),
      rate: of(({ deliveries, wall }) => deliveries / wall * 1000),
      loadCpu: of(({ loadCpu, deliveries }) => loadCpu / 1000 / deliveries),
      bytes: of(({ bytes, deliveries }) => bytes / deliveries),
      ...(rounds[0].p50 !== undefined && { p50: of(({ p50 }) => p50), p99: of(({ p99 }) => p99) })
    },
    notes: busy > BUSY ? [...notes, `load generator ${Math.round(busy * 100)} % busy: the rate is its own`] : notes
  }
}
