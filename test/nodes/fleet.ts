import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import type { Client } from '../../lib/client/api.js'
import { createClient } from '../../lib/client/node.js'
import type { ClientOptions } from '../../lib/client/options.js'
import { nodePlatform } from '../../lib/client/platform/node.js'
import type { Platform } from '../../lib/client/platform/platform.js'
import { isCode } from '../../lib/protocol/codes.js'
import { PushError } from '../../lib/core/errors.js'
import type { HistoryPage } from '../../types/push.js'
import { freePort } from '../helpers/free-port.js'
import { NodeError, RedisNode, type DisconnectTold, type NodeSetup, type PresenceTold } from '../helpers/redis-node.js'
import { RedisServer } from '../helpers/redis.js'

export { until } from '../helpers/until.js'

/** What a room is in these tests. */
export const ROOMS = { 'room/:id': { history: { limit: 10_000 }, clientPublish: true, presence: true } } as const

/** Several nodes on one Redis, and clients that know all of their addresses. All end with the test. */
export class Fleet {
  readonly redis: RedisServer
  readonly #t: Test
  readonly #setup: NodeSetup
  readonly nodes: RedisNode[] = []
  /** What the hooks of all nodes were told. */
  readonly presences: PresenceTold[] = []
  readonly disconnects: Array<DisconnectTold & { readonly node: number }> = []
  #admin: Redis | null = null

  private constructor (t: Test, redis: RedisServer, setup: NodeSetup) {
    this.#t = t
    this.redis = redis
    this.#setup = setup
  }

  /** `args`: of redis-server. */
  static async start (t: Test, count: number, setup: Partial<NodeSetup> = {}, ...args: string[]): Promise<Fleet> {
    const redis = await RedisServer.start(...args)
    t.teardown(() => redis.stop())
    const fleet = new Fleet(t, redis, { redis: { port: redis.port }, users: true, push: { channels: ROOMS }, ...setup })
    t.teardown(() => Promise.all(fleet.nodes.map((node) => node.kill())))
    await Promise.all(Array.from({ length: count }, (_, i) => fleet.restart(i)))
    return fleet
  }

  node (i: number): RedisNode {
    return this.nodes[i] as RedisNode
  }

  /** Starts the node in a place, on the port that the one before it had. */
  async restart (i: number, more: Partial<NodeSetup> = {}): Promise<RedisNode> {
    const node = await RedisNode.start({ ...this.#setup, port: this.nodes[i]?.port ?? await freePort(), ...more })
    node.onPresence = (told) => { this.presences.push(told) }
    node.onDisconnect = (told) => { this.disconnects.push({ ...told, node: i }) }
    this.nodes[i] = node
    return node
  }

  /** A connection to Redis of the test's own. */
  get admin (): Redis {
    if (this.#admin === null) {
      const admin = this.#admin = new Redis({ port: this.redis.port })
      admin.on('error', () => {})
      this.#t.teardown(() => admin.disconnect())
    }
    return this.#admin
  }

  /** A client that tries one node after the other, from `first` on: wherever one is killed, it goes on at the next. */
  client (first: number, options: ClientOptions & { readonly userId?: string } = {}): Client {
    const { userId, ...rest } = options
    const platform = roaming(() => this.nodes.map(({ url }) => url), first)
    return this.open('ws://nodes/push', { platform, ...(userId === undefined ? {} : { token: userId }), ...rest })
  }

  /** A client of one address. */
  open (url: string, options: ClientOptions = {}): Client {
    const client = createClient(url, { reconnect: { min: 20, base: 100, max: 1000 }, ...options })
    this.#t.teardown(() => client.close({ timeout: 0 }))
    return client
  }

  /** Publishes as a host does that must know: the same id, until it is said to be stored. From any of the nodes, another one each time. */
  publish (channel: string, data: unknown, id: string, from = 0): Promise<void> {
    return this.#insist('publish', channel, data, { id }, from)
  }

  /** The same to a user, for any one of its clients. */
  send (userId: string, data: unknown, id: string, from = 0): Promise<void> {
    return this.#insist('send', userId, data, { id, deliver: 'any' }, from)
  }

  async #insist (method: 'publish' | 'send', to: string, data: unknown, options: object, from: number): Promise<void> {
    for (let tries = from; ; tries++) {
      try {
        await this.node(tries % this.nodes.length).call(method, to, data, options)
        return
      } catch (error) {
        if (error instanceof NodeError && !(isCode(error.code) && new PushError(error.code).retryable)) throw error
        await sleep(20) // a node that has ended cannot say so
      }
    }
  }

  /** The data of all that a channel keeps, in its order. */
  async log (channel: string, i = 0): Promise<unknown[]> {
    const { messages: [first] } = await this.node(i).call<HistoryPage>('history', channel, { limit: 1 })
    const found: unknown[] = []
    let after = first === undefined ? null : { epoch: first.position?.epoch, offset: 0 }
    while (after !== null) {
      const page: HistoryPage = await this.node(i).call('history', channel, { limit: 1000, after })
      found.push(...page.messages.map(({ data }) => data))
      after = page.next
    }
    return found
  }
}

/** Node's platform, for a client that has several addresses: each attempt goes to the next one. */
function roaming (addresses: () => readonly string[], first: number): Platform {
  const platform = nodePlatform()
  let next = first
  return {
    ...platform,
    connect: (_url, protocols, events) => {
      const all = addresses()
      return platform.connect(all[next++ % all.length] as string, protocols, events)
    }
  }
}

/** Everything that a client hears of a channel, in order. */
export interface Heard {
  readonly data: unknown[]
  readonly gaps: unknown[]
}

/** Subscribes and keeps what comes. */
export function hear (client: Client, channel: string, qos: 0 | 1 | 2 = 1): Heard & { readonly ready: Promise<unknown> } {
  const heard: Heard = { data: [], gaps: [] }
  const room = client.channel(channel)
  room.on('gap', (gap) => { heard.gaps.push(gap) })
  const { ready } = room.subscribe(({ data }) => { heard.data.push(data) }, { qos })
  return { ...heard, ready }
}

/** Who came to a channel and left it, as one of its watchers was told. */
export interface Watched {
  readonly joined: string[]
  readonly left: Array<{ readonly clientId: string, readonly cause: string, readonly at: number }>
}

/** Watches a channel's members. */
export function watch (client: Client, channel: string): Watched {
  const watched: Watched = { joined: [], left: [] }
  const room = client.channel(channel)
  room.on('join', ({ clientId }) => { watched.joined.push(clientId) })
  room.on('leave', ({ clientId, cause }) => { watched.left.push({ clientId, cause, at: performance.now() }) })
  return watched
}

/** Publishers, each of which sends one message after the other until the end. */
export class Load {
  readonly #published: string[] = []
  readonly #publishers: Promise<void>[] = []
  #isOver = false

  /** `send`: publishes a text, and resolves when it is stored. */
  begin (name: string, send: (data: string) => Promise<unknown>): void {
    const publish = async (): Promise<void> => {
      for (let n = 1; !this.#isOver; n++) {
        await send(`${name} ${n}`)
        this.#published.push(`${name} ${n}`)
        await sleep(50)
      }
    }
    this.#publishers.push(publish())
  }

  /** Resolves with all that was published, once all of it is stored. */
  async end (): Promise<readonly string[]> {
    this.#isOver = true
    await Promise.all(this.#publishers)
    return this.#published
  }
}
