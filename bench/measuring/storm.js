import { setTimeout as sleep } from 'node:timers/promises'
import { plainData, textOf } from '../load/data.js'
import { median, summarize } from '../statistics.js'
import { entrants, interleave, withContestants } from './contest.js'

const CHANNEL = 'c/000000'
const DATA = plainData(128)
const LOOK = 50 // milliseconds

/** Measures how long it takes until clients that were all cut off at once are back and have what they missed. */
export async function measureStorm (trial, settings) {
  return withContestants(entrants(trial, settings), async (contestants) => {
    for (const contestant of contestants) {
      settings.progress(`${trial.name}: starting ${contestant.name}`)
      await contestant.startServer()
      await contestant.startLoad({ kind: 'storm', ...trial.load, ...contestant.loadOptions })
      await publish(contestant, 0, 1)
      await contestant.load('meet')
    }
    const round = (contestant, number) => {
      settings.progress(`${trial.name}: round ${number}, ${contestant.name}`)
      return cutAndReturn(contestant, 1 + number * trial.missed, trial.missed)
    }
    await interleave(contestants, 1, (contestant) => round(contestant, 0))
    const results = await interleave(contestants, settings.rounds, (contestant, number) => round(contestant, number + 1))
    return [...results].map(([{ name, peer }, rounds]) => ({
      name,
      peer,
      ...summarize(rounds.map(({ wall }) => wall)),
      more: { perConnection: median(rounds.map(({ serverCpu, connections }) => serverCpu / 1000 / connections)) },
      notes: []
    }))
  })
}

async function cutAndReturn (contestant, first, missed) {
  await contestant.load('cut')
  while (await contestant.server.call('do', { what: 'connections' }) > 0) await sleep(LOOK)
  if (contestant.loadOptions.replay === false) return contestant.load('run', { missed: 0 })
  await publish(contestant, first, missed)
  return contestant.load('run', { first, missed })
}

function publish (contestant, first, count) {
  const messages = Array.from({ length: count }, (_, i) => JSON.parse(textOf(DATA, first + i)))
  return contestant.server.call('do', { what: 'publish', argument: { channel: CHANNEL, messages, qos: 1 } })
}
