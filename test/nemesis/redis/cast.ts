import type { ClientOptions, Position } from '../../../lib/client/index.js'
import type { Random } from '../../model/random.js'
import { faultOf } from '../fault.js'
import { keyOf, type Event } from '../history.js'
import type { Library } from '../library.js'
import { PublisherApp } from '../publisher.js'
import { SubscriberApp } from '../subscriber.js'
import { TcpProxy } from '../tcp-proxy.js'
import type { Fleet } from './fleet.js'
import { NodePublisher } from './node-publisher.js'

const CLIENT: ClientOptions = { reconnect: { min: 1, base: 10, max: 200 }, connectTimeout: 1_000 }
/** Whose QoS each is. */
const PUBLISHERS = [1, 2, 2] as const
const SUBSCRIBERS = [1, 2, 2] as const
/** Of the nodes. */
const NODE_PUBLISHERS = 2
/** Milliseconds that a client has to end in order. */
const GOODBYE = 2_000
/** How the publishers of the last messages are called. */
const LAST = 'last-of-node-'

export interface CastPlan {
  readonly library: Library
  readonly fleet: Fleet
  /** What subscribers follow, and where they begin. */
  readonly begins: ReadonlyMap<string, Position>
  /** Of each publisher, over the whole run. */
  readonly messages: number
  /** Messages that a connection of a client lives for, on average. */
  readonly mean: number
  readonly random: Random
  readonly note: (event: Event) => void
}

/** All who publish and subscribe: clients, each behind a proxy that brings every connection to any of the nodes, and what nodes publish by themselves. */
export class Cast {
  /** Connections that were cut, and processes that were ended. */
  cuts = 0
  restarts = 0
  readonly #plan: CastPlan
  readonly #proxies: TcpProxy[] = []
  readonly #publishers: PublisherApp[] = []
  readonly #subscribers: SubscriberApp[] = []
  readonly #nodePublishers: NodePublisher[]
  /** Which subscriber has which of the messages that come last. */
  readonly #arrived = new Set<string>()

  private constructor (plan: CastPlan) {
    const { fleet, begins, random } = this.#plan = plan
    const channels = [...begins.keys()]
    this.#nodePublishers = Array.from({ length: NODE_PUBLISHERS }, (_, i) =>
      new NodePublisher(fleet, { name: `node-publisher-${i + 1}`, givesIds: i > 0, channels, random: random.fork() }, this.#note))
  }

  static async start (plan: CastPlan): Promise<Cast> {
    const { library, begins, messages, random } = plan
    const cast = new Cast(plan)
    for (const [i, qos] of SUBSCRIBERS.entries()) {
      const url = await cast.#open(() => subscriber)
      const subscriber = new SubscriberApp(library, { name: `subscriber-${i + 1}`, url, qos, begins, options: CLIENT, random: random.fork() }, cast.#note)
      cast.#subscribers.push(subscriber)
    }
    for (const [i, qos] of PUBLISHERS.entries()) {
      const url = await cast.#open(() => publisher)
      const publisher = new PublisherApp(library, { name: `publisher-${i + 1}`, url, qos, channels: [...begins.keys()], messages, allowed: 0, options: CLIENT, random: random.fork() }, cast.#note, () => {})
      cast.#publishers.push(publisher)
    }
    for (const { process } of cast.#apps) process.start()
    return cast
  }

  /** Lets every publisher publish so many more. */
  allow (messages: number): void {
    for (const publisher of [...this.#publishers, ...this.#nodePublishers]) publisher.allow(messages)
  }

  /** No faults of their own from now on. Resolves when everything that was to be published has ended. */
  async calm (): Promise<void> {
    for (const proxy of this.#proxies) proxy.calm()
    await Promise.all([...this.#publishers, ...this.#nodePublishers].map(({ done }) => done))
  }

  /** Every node publishes one more to each channel. */
  async publishLast (): Promise<void> {
    const { fleet, begins, random } = this.#plan
    await Promise.all([...begins.keys()].flatMap((channel) => fleet.members.map(async (member, i) => {
      const publisher = new NodePublisher(fleet, { name: `${LAST}${i + 1}`, givesIds: true, channels: [channel], random: random.fork() }, this.#note)
      await publisher.last(channel, member)
    })))
  }

  /** Whether every subscriber has what was published last. */
  get isDone (): boolean {
    return this.#arrived.size === this.#lasts * this.#subscribers.length
  }

  get describe (): string {
    const missing = this.#subscribers.map(({ process }, i) => {
      const name = `subscriber-${i + 1}`
      return `${name} (${process.state}): ${[...this.#arrived].filter((each) => each.startsWith(`${name} `)).length} of ${this.#lasts} last messages`
    })
    return [...this.#publishers, ...this.#nodePublishers].map(({ describe }) => describe).concat(missing).join('\n')
  }

  async close (): Promise<void> {
    await Promise.all(this.#apps.map(({ process }) => process.close(GOODBYE)))
    await Promise.all(this.#proxies.map((proxy) => proxy.close()))
  }

  get #apps (): Array<PublisherApp | SubscriberApp> {
    return [...this.#subscribers, ...this.#publishers]
  }

  get #lasts (): number {
    return this.#plan.begins.size * this.#plan.fleet.members.length
  }

  readonly #note = (event: Event): void => {
    if (event.type === 'handed' && event.publisher.startsWith(LAST)) this.#arrived.add(`${event.subscriber} ${keyOf(event)}`)
    this.#plan.note(event)
  }

  /** Opens the proxy in front of a client. Resolves with its address. */
  async #open (appOf: () => PublisherApp | SubscriberApp): Promise<string> {
    const { fleet, mean } = this.#plan
    const random = this.#plan.random.fork()
    let reloading = false
    const proxy = await TcpProxy.open(() => fleet.pick(random).port, {
      fault: () => mean === Infinity ? null : faultOf(random, mean),
      cut: () => { this.cuts++ },
      restart: (kind) => {
        if (reloading) return
        this.restarts++
        if (kind === 'kill') return appOf().kill()
        reloading = true
        appOf().reload(GOODBYE).then(() => { reloading = false }, (error) => { throw error })
      }
    })
    this.#proxies.push(proxy)
    return `ws://127.0.0.1:${proxy.port}/push`
  }
}
