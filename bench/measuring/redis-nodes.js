import { fileURLToPath } from 'node:url'
import { peers } from '../peers/index.js'
import { redis } from '../peers/redis.js'
import { LOAD_CORE, SERVER_CORE, startChild, stopChild } from '../processes/children.js'
import { Remote } from '../processes/remote.js'

const LOAD_PROGRAM = fileURLToPath(new URL('../load/main.js', import.meta.url))

/** Several nodes of one contestant, with a Redis of their own: one that publishes has a core to itself, the rest shares the other. */
export class RedisNodes {
  name
  peer
  /** @type {import('../peers/redis.js').RedisServer | null} */
  redis = null
  /** What becomes of its nodes in a storm: see redis-storm.js. */
  storm
  /** What its subscriber does differently. */
  load
  #options
  #started = []

  /** @param {import('./contest.js').ContestantOptions} options */
  constructor ({ name, peer, server = {}, storm = {}, load = {} }) {
    this.name = name
    this.peer = peer
    this.storm = storm
    this.load = load
    this.#options = server
  }

  async startRedis () {
    this.redis = await redis.start()
    this.#started.push(this.redis)
  }

  /** Starts a node that publishes to a channel. */
  startPublisher (options) {
    return this.startNode(options, SERVER_CORE)
  }

  /** Starts a node. @returns {Promise<import('../peers/index.js').Server>} */
  async startNode (options, core = LOAD_CORE) {
    const node = await peers[this.peer].start({ ...(this.redis !== null && { redis: this.redis.port }), ...this.#options, ...options }, core)
    this.#started.push(node)
    return node
  }

  /**
   * Starts a node, and a client of it that follows a channel; without a WebSocket the node itself follows it. `follow` asks whoever follows: `meet`, `expect`, `arrived`, `check`.
   */
  async startFollower (channel, { qos = 0, ...options } = {}) {
    const { Wire } = peers[this.peer]
    if (Wire === null || this.#options.storageAlone) {
      const node = await this.startNode({ ...options, follows: channel })
      return { node, load: null, follow: (what, argument) => node.call('do', { what, argument }) }
    }
    const node = await this.startNode(options)
    const { pid, call } = await this.startLoad(node.port, { kind: 'follower', qos, channel })
    return { node, load: pid, follow: call }
  }

  /** Starts a load generator and lets it connect. `call` asks it for something. */
  async startLoad (port, load) {
    const child = startChild(process.execPath, [LOAD_PROGRAM], { core: LOAD_CORE, ipc: true })
    this.#started.push({ stop: () => stopChild(child) })
    const remote = new Remote(child, `load of ${this.name}`)
    await remote.call('open', { peer: this.peer, port, load })
    return { pid: child.pid, call: (what, argument = {}) => remote.call('do', { what, argument }) }
  }

  async stop () {
    await Promise.all(this.#started.splice(0).reverse().map((each) => each.stop()))
  }
}

/** Does something with contestants of several nodes, and stops them whatever comes of it. */
export async function withNodes (options, work) {
  const contestants = options.map((each) => new RedisNodes(each))
  try {
    return await work(contestants)
  } finally {
    await Promise.all(contestants.map((each) => each.stop()))
  }
}
