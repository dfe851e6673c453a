import { cpuOf } from '../processes/usage.js'
import { median, summarize } from '../statistics.js'
import { entrants, interleave, isInstalled, notInstalled } from './contest.js'
import { withNodes } from './redis-nodes.js'
import { roundLength } from './round-length.js'

const CHANNEL = 'c/000000'

/** Measures how many messages a second reach a subscriber on another node, and what that costs each process. */
export async function measureRedisPublish (trial, settings) {
  const asked = entrants(trial, settings)
  const rows = await withNodes(asked.filter(isInstalled), async (contestants) => {
    const pairs = new Map()
    for (const contestant of contestants) {
      settings.progress(`${trial.name}: starting ${contestant.name}`)
      const pair = await Pair.start(contestant, trial.load)
      pair.publishes = await roundLength((count) => pair.run(count), settings.roundCpu, trial.load.turn)
      pairs.set(contestant, pair)
    }
    const results = await interleave(contestants, settings.rounds, (contestant, round) => {
      settings.progress(`${trial.name}: round ${round + 1} of ${settings.rounds}, ${contestant.name}`)
      const pair = pairs.get(contestant)
      return pair.run(pair.publishes)
    })
    return [...results].map(([contestant, rounds]) => rowOf(contestant, rounds))
  })
  return [...rows, ...notInstalled(asked)]
}

/** A node that publishes, and another one with a subscriber. */
export class Pair {
  publishes = 0
  #publisher
  #follower
  #load
  #pids
  #published = 0

  static async start (nodes, load) {
    const pair = new Pair()
    await nodes.startRedis()
    pair.#load = load
    pair.#publisher = await nodes.startPublisher({ channel: CHANNEL })
    pair.#follower = await nodes.startFollower(CHANNEL, { qos: 1, ...nodes.load })
    pair.#pids = { server: pair.#publisher.pid, redis: nodes.redis.pid, follower: pair.#follower.node.pid, load: pair.#follower.load }
    await pair.#meet()
    return pair
  }

  // Message 0 shows that everybody is there.
  async #meet () {
    const progress = await this.#ask('progressPort')
    await this.#follower.follow('expect', { total: 1 })
    const met = this.#follower.follow('meet', { progress })
    await this.#ask('publishInTurns', { first: 0, count: 1, turn: 1, window: 1 })
    await met
    this.#published = 1
  }

  /** Publishes so many messages, and measures until all of them have arrived. */
  async run (count) {
    const first = this.#published
    const total = this.#published = first + count
    await this.#follower.follow('expect', { total })
    const before = this.#cpu()
    // Whoever stalls or ends without a word ends the run.
    const [wall] = await Promise.all([this.#ask('publishInTurns', { first, count, ...this.#load }), this.#follower.follow('arrived')])
    const after = this.#cpu()
    await this.#follower.follow('check', { total })
    const spent = Object.fromEntries(Object.entries(after).map(([who, cpu]) => [`${who}Cpu`, cpu - before[who]]))
    return { wall, count, ...spent }
  }

  #cpu () {
    return Object.fromEntries(Object.entries(this.#pids).map(([who, pid]) => [who, pid === null ? 0 : cpuOf(pid)]))
  }

  #ask (what, argument) {
    return this.#publisher.call('do', { what, argument })
  }
}

function rowOf ({ name, peer }, rounds) {
  const each = (who) => median(rounds.map((round) => round[who] / 1000 / round.count))
  const load = each('loadCpu')
  return {
    name,
    peer,
    ...summarize(rounds.map(({ count, wall }) => count / wall * 1000)),
    more: { publisherCpu: each('serverCpu'), redisCpu: each('redisCpu'), followerCpu: each('followerCpu'), ...(load > 0 && { loadCpu: load }) },
    notes: []
  }
}
