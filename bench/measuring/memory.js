import { setTimeout as sleep } from 'node:timers/promises'
import { summarize } from '../statistics.js'
import { entrants, withContestants } from './contest.js'

const SETTLE = 2000 // milliseconds until everything has found its place

/** Measures what an idle connection costs the server's memory, in KB. One contestant at a time, a fresh server for each round. */
export async function measureMemory (trial, settings) {
  const rows = []
  for (const options of entrants(trial, settings)) {
    const values = []
    const notes = new Set()
    for (let round = 0; round < trial.rounds; round++) {
      settings.progress(`${trial.name}: round ${round + 1} of ${trial.rounds}, ${options.name}`)
      await withContestants([options], async ([contestant]) => {
        values.push(await kilobytesPerConnection(contestant, { ...trial.load, ...contestant.loadOptions }, notes))
      })
    }
    rows.push({ name: options.name, peer: options.peer, ...summarize(values), notes: [...notes] })
  }
  return rows
}

async function kilobytesPerConnection (contestant, load, notes) {
  await contestant.startServer()
  const before = await contestant.server.call('memory')
  const { compressed } = await contestant.startLoad({ kind: 'crowd', ...load })
  if (load.deflate && !compressed) notes.add('compression was not negotiated')
  await sleep(SETTLE)
  const after = await contestant.server.call('memory')
  return (after - before) / 1024 / load.subscribers
}
