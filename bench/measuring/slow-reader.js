import { rssOf } from '../processes/usage.js'
import { median, summarize } from '../statistics.js'
import { entrants, interleave, withContestants } from './contest.js'

const KINDS = [{ title: 'all read', paused: false }, { title: 'one does not read', paused: true }]
const MEGABYTE = 1024 * 1024

/** Measures what the others notice when one subscriber stops reading, and that it gets everything afterwards. */
export async function measureSlowReader (trial, settings) {
  return withContestants(entrants(trial, settings), async (contestants) => {
    for (const contestant of contestants) {
      await contestant.startServer()
      await contestant.startLoad({ kind: 'slow-reader', ...trial.load })
    }
    const round = async (contestant, kind) => {
      settings.progress(`${trial.name}: ${contestant.name}, ${kind.title}`)
      const measured = await contestant.load('run', { publishes: trial.publishes, paused: kind.paused })
      return { ...measured, rss: rssOf(contestant.server.pid) / MEGABYTE }
    }
    for (const contestant of contestants) await round(contestant, KINDS[0])
    const turns = contestants.flatMap((contestant) => KINDS.map((kind) => ({ contestant, kind })))
    const results = await interleave(turns, settings.rounds, ({ contestant, kind }) => round(contestant, kind))
    return [...results].map(([{ contestant, kind }, rounds]) => rowOf(contestant, kind, rounds, contestants.length > 1))
  })
}

function rowOf ({ name, peer }, { title }, rounds, several) {
  const { reconnects } = rounds.at(-1)
  return {
    name: several ? `${title}, ${name}` : title,
    peer,
    ...summarize(rounds.map(({ p50 }) => p50)),
    more: { p99: median(rounds.map(({ p99 }) => p99)), rss: Math.max(...rounds.map(({ rss }) => rss)) },
    notes: reconnects > 0 ? [`it was cut off ${reconnects} times and came back`] : []
  }
}
