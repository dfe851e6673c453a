import { summarize } from '../statistics.js'
import { entrants, isInstalled, notInstalled } from './contest.js'
import { CountingLink } from './counting-link.js'
import { withNodes } from './redis-nodes.js'
import { Pair } from './redis-publish.js'

const TEXT = 'x'.repeat(114) // in every message once; see servers/turns.js

/** Counts what reaches a node of which nobody follows the channel, although it has a subscriber of another one. */
export async function measureRedisQuiet (trial, settings) {
  const asked = entrants(trial, settings)
  const rows = []
  for (const options of asked.filter(isInstalled)) {
    settings.progress(`${trial.name}: ${options.name}`)
    await withNodes([options], async ([contestant]) => { rows.push(await rowOf(contestant, trial.load)) })
  }
  return [...rows, ...notInstalled(asked)]
}

async function rowOf (contestant, { count, ...pacing }) {
  const link = new CountingLink(TEXT)
  try {
    const pair = await Pair.start(contestant, pacing)
    await contestant.startFollower('c/other', { redis: await link.open(contestant.redis.port) })
    await pair.run(count)
    const [found, bytes] = [link.found, link.bytes]
    await pair.run(count)
    const { name, peer } = contestant
    return { name, peer, ...summarize([(link.found - found) / count]), more: { bytes: (link.bytes - bytes) / count }, notes: [] }
  } finally {
    await link.stop()
  }
}
