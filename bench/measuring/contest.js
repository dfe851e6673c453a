import { fileURLToPath } from 'node:url'
import { peers } from '../peers/index.js'
import { LOAD_CORE, startChild, stopChild } from '../processes/children.js'
import { Remote } from '../processes/remote.js'

const LOAD_PROGRAM = fileURLToPath(new URL('../load/main.js', import.meta.url))

/** A server and its load generator, each in its own process. */
export class Contestant {
  name
  peer
  /** @type {import('../peers/index.js').Server | null} */
  server = null
  /** What its load does differently. */
  loadOptions
  /** What the server is asked to do first. */
  prepare
  #serverOptions
  #load = null
  #remote = null

  /** @param {ContestantOptions} options */
  constructor ({ name, peer, server = {}, load = {}, prepare }) {
    this.name = name
    this.peer = peer
    this.loadOptions = load
    this.prepare = prepare
    this.#serverOptions = server
  }

  async startServer () {
    this.server = await peers[this.peer].start(this.#serverOptions)
  }

  /** Starts the load generator and lets it connect. Returns what it says. */
  async startLoad (load) {
    this.#load = startChild(process.execPath, [LOAD_PROGRAM], { core: LOAD_CORE, ipc: true })
    this.#remote = new Remote(this.#load, `load of ${this.name}`)
    return this.#remote.call('open', { peer: this.peer, port: this.server.port, load })
  }

  /** Lets the load generator do something. */
  load (what, argument = {}) {
    return this.#remote.call('do', { what, argument: { pid: this.server.pid, ...argument } })
  }

  async stop () {
    if (this.#load !== null) await stopChild(this.#load)
    await this.server?.stop()
    this.server = this.#load = null
  }
}

/**
 * Who takes part in a trial: those asked for, each with its name. Of a comparison of trees: this plugin alone, once for each tree.
 * @returns {(ContestantOptions & { name: string })[]}
 */
export function entrants ({ contestants, needs }, { names, trees, dist }) {
  return contestants.flatMap((each) => {
    const named = { ...each, needs, name: each.name ?? each.peer }
    const builtFrom = (folder, name) => ({ ...named, name, server: { ...each.server, dist: folder } })
    if (trees !== undefined && each.peer !== 'fastify-push') return []
    if (trees !== undefined) return trees.map((tree) => builtFrom(tree.dist, named.name === each.peer ? tree.name : `${named.name}, ${tree.name}`))
    if (names !== undefined && !names.includes(each.peer)) return []
    return each.peer === 'fastify-push' ? builtFrom(dist, named.name) : named
  })
}

/** Whether a contestant can be started here. */
export const isInstalled = ({ peer, needs = [] }) => [peer, ...needs].every((name) => peers[name].version() !== null)

/** The rows of those that cannot. */
export const notInstalled = (asked) => asked.filter((each) => !isInstalled(each)).map(({ name, peer }) => ({ name, peer, notes: ['not installed'] }))

/** Measures in turn: a round of each contestant, then the next round of each. Returns the results by contestant. */
export async function interleave (contestants, rounds, measure) {
  const results = new Map(contestants.map((each) => [each, []]))
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) results.get(contestant).push(await measure(contestant, round))
  }
  return results
}

/** Does something with contestants, and stops them whatever comes of it. */
export async function withContestants (options, work) {
  const contestants = options.map((each) => new Contestant(each))
  try {
    return await work(contestants)
  } finally {
    await Promise.all(contestants.map((each) => each.stop()))
  }
}

/**
 * @typedef {object} ContestantOptions
 * @property {string} peer
 * @property {string} [name] in the table; the peer's by default
 * @property {string[]} [needs] other peers whose programs it needs; said by the trial
 * @property {object} [server] options of the server
 * @property {object} [load] options of the load, over those of the trial
 * @property {{ what: string, argument: object }} [prepare] what the server is asked to do before anybody connects
 */
