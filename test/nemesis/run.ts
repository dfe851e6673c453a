import Fastify, { type FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import type { ClientOptions, Position } from '../../lib/client/index.js'
import { Random } from '../model/random.js'
import { check, type Violation } from './checker.js'
import { CUTS, faultOf, type Cut, type Fault } from './fault.js'
import type { Event } from './history.js'
import type { Library } from './library.js'
import { PublisherApp, TAKEN } from './publisher.js'
import { SubscriberApp } from './subscriber.js'
import { TcpProxy } from './tcp-proxy.js'
import { Watchdog } from './watchdog.js'

export interface Plan {
  readonly seed: number
  readonly qos: 1 | 2
  /** Messages each way: from clients, and from the server. */
  readonly messages: number
  readonly channels: number
  readonly publishers: number
  readonly subscribers: number
  /** Messages that a connection lives for, on average. */
  readonly mean: { readonly publisher: number, readonly subscriber: number }
  /** Records that a channel keeps. Default: all of them. */
  readonly keep?: number
  /** Milliseconds without any progress after which the run is given up. */
  readonly patience: number
}

export interface Report {
  readonly violations: readonly Violation[]
  readonly history: readonly Event[]
  readonly cuts: Readonly<Record<Cut, number>>
  readonly kills: number
  readonly reloads: number
  /** Who waits for what, if the run did not come to its end; otherwise empty. */
  readonly stuck: string
}

/** A link that is silent for their sum is dead to a client; to the server after the third. Milliseconds. */
const HEARTBEAT = { interval: 200, timeout: 200 }
const SILENCE = 1_000
/** Fewer than a publisher publishes at once, so that a process that ends leaves messages that were never sent. */
const IN_FLIGHT = 24
const CLIENT: ClientOptions = { reconnect: { min: 1, base: 5, max: 100 }, connectTimeout: 400 }

/** Runs clients against a server while their connections are cut and their processes end, and checks what they saw. */
export async function runNemesis (library: Library, plan: Plan): Promise<Report> {
  const run = new Run(library, plan)
  await run.open()
  try {
    await run.work()
  } finally {
    await run.close()
  }
  return run.report()
}

class Run {
  readonly #library: Library
  readonly #plan: Plan
  readonly #history: Event[] = []
  readonly #cuts = Object.fromEntries(CUTS.map((kind) => [kind, 0])) as Record<Cut, number>
  readonly #app: FastifyInstance = Fastify()
  readonly #proxies: TcpProxy[] = []
  readonly #publishers: PublisherApp[] = []
  readonly #subscribers: SubscriberApp[] = []
  readonly #channels: readonly string[]
  readonly #random: Random
  readonly #numbers = new Map<string, number>()
  readonly #heads = new Map<string, number>()
  readonly #watchdog: Watchdog
  #restarts = { kill: 0, reload: 0 }
  #left: number

  constructor (library: Library, plan: Plan) {
    this.#library = library
    this.#plan = plan
    this.#left = plan.messages
    this.#channels = Array.from({ length: plan.channels }, (_, i) => `room/${i + 1}`)
    this.#random = new Random(plan.seed)
    this.#watchdog = new Watchdog(plan.patience, () => [
      ...this.#publishers.map((each) => each.describe),
      ...this.#subscribers.map((each) => each.missing(this.#heads))
    ].join('\n'))
  }

  async open (): Promise<void> {
    const { fastifyPush } = this.#library
    const { keep = 1e9, publishers, subscribers, mean, messages, qos } = this.#plan
    await this.#app.register(fastifyPush, {
      channels: { 'room/:id': { history: { limit: keep, bytes: 1e9 }, clientPublish: true } },
      heartbeat: HEARTBEAT,
      limits: { silence: SILENCE, publishesInFlight: IN_FLIGHT }
    })
    await this.#app.listen({ port: 0, host: '127.0.0.1' })
    for (const channel of this.#channels) await this.#app.push.publish(channel, this.#invoke(channel), { id: TAKEN, qos })
    const begins = new Map<string, Position>()
    for (const channel of this.#channels) begins.set(channel, { ...(await this.#app.push.history(channel)).head, offset: 0 })
    for (let i = 1; i <= subscribers; i++) {
      await this.#add(`subscriber-${i}`, mean.subscriber, this.#subscribers, (name, url) =>
        new SubscriberApp(this.#library, { name, url, qos, begins, options: CLIENT, random: this.#random.fork() }, this.#note))
    }
    for (let i = 1; i <= publishers; i++) {
      await this.#add(`publisher-${i}`, mean.publisher, this.#publishers, (name, url) =>
        new PublisherApp(this.#library, { name, url, qos, channels: this.#channels, messages: messages / publishers, options: CLIENT, random: this.#random.fork() }, this.#note, () => this.#publish()))
    }
  }

  /** Everything is published, everything arrives, or nothing moves any more. */
  async work (): Promise<void> {
    for (const { process } of [...this.#subscribers, ...this.#publishers]) process.start()
    await this.#watchdog.until(Promise.all(this.#publishers.map(({ done }) => done)))
    for (const proxy of this.#proxies) proxy.calm()
    await Promise.all(this.#publishers.map(({ process }) => process.close(this.#plan.patience)))
    while (this.#left > 0) this.#publish()
    // What comes last in each channel: who had it has had its chance of everything before.
    const last = await Promise.all(this.#channels.map((channel) => this.#publishTo(channel)))
    this.#channels.forEach((channel, i) => this.#heads.set(channel, last[i] as number))
    await this.#watchdog.when(() => this.#subscribers.every((each) => each.missing(this.#heads) === ''))
  }

  async close (): Promise<void> {
    await Promise.all([...this.#publishers, ...this.#subscribers].map(({ process }) => process.close(this.#plan.patience)))
    await Promise.all(this.#proxies.map((proxy) => proxy.close()))
    await this.#app.close()
    this.#watchdog.close()
  }

  report (): Report {
    const { kill: kills, reload: reloads } = this.#restarts
    return { violations: check(this.#history), history: this.#history, cuts: this.#cuts, kills, reloads, stuck: this.#watchdog.stuck }
  }

  readonly #note = (event: Event): void => {
    this.#history.push(event)
    this.#watchdog.progress()
  }

  /** A client's application, and the proxy in front of it. */
  async #add<App extends PublisherApp | SubscriberApp> (name: string, mean: number, apps: App[], make: (name: string, url: string) => App): Promise<void> {
    const random = this.#random.fork()
    let reloading = false
    const proxy = await TcpProxy.open((this.#app.server.address() as AddressInfo).port, {
      fault: (): Fault => faultOf(random, mean),
      cut: (kind) => { this.#cuts[kind]++ },
      restart: (kind) => {
        if (reloading) return
        this.#restarts[kind]++
        if (kind === 'kill') return app.kill()
        reloading = true
        app.reload(this.#plan.patience).then(() => { reloading = false }, (error) => { throw error })
      }
    })
    this.#proxies.push(proxy)
    const app = make(name, `ws://127.0.0.1:${proxy.port}/push`)
    apps.push(app)
  }

  // The server publishes one for each that a client has published: both ways go on side by side, however fast the machine is.
  #publish (): void {
    if (this.#left === 0) return
    this.#left--
    this.#publishTo(this.#random.pick(this.#channels)).catch((error) => { throw error })
  }

  async #publishTo (channel: string): Promise<number> {
    const message = this.#invoke(channel)
    const { position } = await this.#app.push.publish(channel, message, { qos: this.#plan.qos })
    this.#note({ type: 'ok', channel, ...message, position })
    return position?.offset ?? 0
  }

  #invoke (channel: string): { publisher: string, number: number } {
    const message = { publisher: 'server', number: (this.#numbers.get(channel) ?? 0) + 1 }
    this.#numbers.set(channel, message.number)
    this.#note({ type: 'invoke', channel, ...message, qos: this.#plan.qos })
    return message
  }
}
