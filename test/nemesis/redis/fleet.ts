import { setTimeout as sleep } from 'node:timers/promises'
import { RedisNode, type NodeSetup, type RedisAddress } from '../../helpers/redis-node.js'
import type { LogLine } from '../../helpers/app.js'
import { TcpProxy } from '../../helpers/tcp-proxy.js'
import type { Random } from '../../model/random.js'

/** Attempts to start a node whose Redis may not be there yet. */
const STARTS = 100

async function startNode (setup: NodeSetup): Promise<RedisNode> {
  for (let tries = 1; ; tries++) {
    try {
      return await RedisNode.start(setup)
    } catch (error) {
      if (tries === STARTS) throw error
      await sleep(250)
    }
  }
}

/** By how many milliseconds the clocks of nodes are wrong. */
const SKEWS = [300_000, -300_000, 0]

/** One node, over all the deaths of its process: they listen on the same port. */
export class Member {
  /** In front of Redis; `null` where Redis says itself where it is. */
  readonly link: TcpProxy | null
  readonly #setup: NodeSetup
  #node: RedisNode
  #isWanted = true
  /** How often its process has ended by itself. */
  #deaths = 0
  /** Warnings of its processes that ended in order. */
  readonly #warnings: LogLine[] = []

  private constructor (setup: NodeSetup, node: RedisNode, link: TcpProxy | null) {
    this.#setup = { ...setup, port: node.port }
    this.#node = node
    this.link = link
  }

  static async start (setup: Omit<NodeSetup, 'redis'>, redis: RedisAddress): Promise<Member> {
    const link = 'port' in redis ? await TcpProxy.start(redis.port) : null
    const whole = { ...setup, redis: link === null ? redis : { port: link.port } }
    return new Member(whole, await startNode(whole), link)
  }

  get port (): number {
    return this.#node.port
  }

  /** Whether its process is to be there. */
  get isWanted (): boolean {
    return this.#isWanted
  }

  /** How often its process has ended by itself. */
  get deaths (): number {
    return this.#deaths + (this.#isWanted && this.#node.hasEnded ? 1 : 0)
  }

  async call<Result> (name: string, ...args: unknown[]): Promise<Result> {
    return await this.#node.call<Result>(name, ...args)
  }

  /** Sets its wall clock this much ahead of where it is wrong anyway. */
  async jump (ms: number): Promise<void> {
    await this.#node.call('skew', (this.#setup.skew ?? 0) + ms).catch(() => {}) // it may have died of something else
  }

  signal (signal: NodeJS.Signals): void {
    this.#node.signal(signal)
  }

  async kill (): Promise<void> {
    this.#unwant()
    await this.#node.kill()
  }

  /** Ends its process in order. Resolves with the exit code. */
  async close (): Promise<number | null> {
    this.#unwant()
    this.#warnings.push(...await this.#node.call<LogLine[]>('warnings').catch(() => []))
    return await this.#node.close()
  }

  /** Starts its process again. */
  async start (): Promise<void> {
    this.#node = await startNode(this.#setup)
    this.#isWanted = true
  }

  /** What it has warned of. */
  async warnings (): Promise<LogLine[]> {
    return [...this.#warnings, ...this.#node.hasEnded ? [] : await this.#node.call<LogLine[]>('warnings')]
  }

  #unwant (): void {
    this.#deaths = this.deaths
    this.#isWanted = false
  }

  async end (): Promise<void> {
    await this.kill()
    await this.link?.close()
  }
}

/** The nodes of a run. */
export class Fleet {
  readonly members: readonly Member[]

  private constructor (members: readonly Member[]) {
    this.members = members
  }

  static async start (count: number, setup: Omit<NodeSetup, 'redis'>, redis: RedisAddress): Promise<Fleet> {
    return new Fleet(await Promise.all(Array.from({ length: count }, (_, i) => Member.start({ ...setup, skew: SKEWS[i % SKEWS.length] as number }, redis))))
  }

  /** One of those whose process is there, or one that is not where none is. */
  pick (random: Random): Member {
    const there = this.members.filter(({ isWanted }) => isWanted)
    return random.pick(there.length > 0 ? there : this.members)
  }

  async end (): Promise<void> {
    await Promise.all(this.members.map((member) => member.end()))
  }
}
