import { setTimeout as sleep } from 'node:timers/promises'
import { plainData, textOf } from '../load/data.js'
import { SERVER_CORE } from '../processes/children.js'
import { median, summarize } from '../statistics.js'
import { entrants, isInstalled, notInstalled } from './contest.js'
import { withNodes } from './redis-nodes.js'

const DATA = plainData(128)
const LOOK = 50 // milliseconds
const NODES = 2
// What nodes send: scripts. All else they and the scripts do is counted beside it.
const CALLS = ['evalsha', 'eval', 'subscribe', 'unsubscribe', 'ping', 'info']

/** Measures how long it takes until the clients of two nodes are back and have what they missed. One contestant at a time: so many clients are enough for a machine. */
export async function measureRedisStorm (trial, settings) {
  const asked = entrants(trial, settings)
  const rows = []
  for (const options of asked.filter(isInstalled)) {
    await withNodes([options], async ([contestant]) => {
      const storm = await Storm.start(contestant, trial, settings)
      const rounds = []
      for (let round = 0; round <= settings.rounds; round++) {
        settings.progress(`${trial.name}: round ${round} of ${settings.rounds}, ${contestant.name}`)
        const measured = await storm.round()
        if (round > 0) rounds.push(measured) // the first one is to warm up
      }
      rows.push(rowOf(contestant, rounds))
    })
  }
  return [...rows, ...notInstalled(asked)]
}

class Storm {
  #contestant
  #nodes = []
  #writers
  #load
  #channels
  #missed
  #published = 0

  static async start (contestant, { load, missed }, { progress }) {
    progress(`starting ${contestant.name}`)
    const storm = new Storm()
    storm.#contestant = contestant
    storm.#missed = missed
    storm.#channels = Array.from({ length: load.channels }, (_, i) => `c/${String(i).padStart(6, '0')}`)
    if (contestant.storm.redis) await contestant.startRedis()
    await storm.#startNodes()
    // With Redis somebody else publishes: the nodes may be gone.
    storm.#writers = contestant.storm.redis ? [await contestant.startNode({})] : storm.#nodes
    storm.#load = await contestant.startLoad(storm.#ports(), { kind: 'storm', qos: 1, ...load })
    await storm.#publish(1)
    await storm.#load.call('meet')
    return storm
  }

  #ports () {
    return this.#nodes.map(({ port }) => port)
  }

  async #startNodes () {
    this.#nodes = await Promise.all(Array.from({ length: NODES }, () => this.#contestant.startNode({}, SERVER_CORE)))
  }

  async #publish (count) {
    const messages = Array.from({ length: count }, (_, i) => JSON.parse(textOf(DATA, this.#published + i)))
    this.#published += count
    for (const writer of this.#writers) {
      for (const channel of this.#channels) await writer.call('do', { what: 'publish', argument: { channel, messages, qos: 1 } })
    }
  }

  /** All are cut off, ten messages are published, and the clock runs from when they come back until the last one has got all ten. */
  async round () {
    const first = this.#published
    const { storm: { restart }, redis } = this.#contestant
    if (restart) await this.#restart()
    else await this.#cut()
    await this.#publish(this.#missed)
    const before = await redis?.commands()
    const measured = await this.#load.call('run', { pid: this.#nodes.map(({ pid }) => pid), first, missed: this.#missed })
    return { ...measured, ...(redis !== null && difference(before, await redis.commands())) }
  }

  async #cut () {
    await this.#load.call('cut')
    for (const node of this.#nodes) {
      while (await node.call('do', { what: 'connections' }) > 0) await sleep(LOOK)
    }
  }

  async #restart () {
    await this.#load.call('expectLoss')
    await Promise.all(this.#nodes.map((node) => node.kill()))
    await this.#startNodes()
    await this.#load.call('cut')
    await this.#load.call('moved', { ports: this.#ports() })
  }
}

function difference (before, after) {
  const of = (name) => (after.calls[name] ?? 0) - (before.calls[name] ?? 0)
  return { commands: CALLS.reduce((sum, name) => sum + of(name), 0), reads: of('xrange') }
}

function rowOf ({ name, peer }, rounds) {
  return {
    name,
    peer,
    ...summarize(rounds.map(({ wall }) => wall)),
    more: {
      perConnection: median(rounds.map(({ serverCpu, connections }) => serverCpu / 1000 / connections)),
      ...(rounds[0].commands !== undefined && { commands: median(rounds.map(({ commands }) => commands)), reads: median(rounds.map(({ reads }) => reads)) })
    },
    notes: []
  }
}
