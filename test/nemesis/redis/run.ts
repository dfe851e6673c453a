import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientOptions, Position } from '../../../lib/client/index.js'
import type { HistoryPage } from '../../../types/push.js'
import type { LogLine } from '../../helpers/app.js'
import { Random } from '../../model/random.js'
import { check, type Violation } from '../checker.js'
import { faultOf as clientFaultOf } from '../fault.js'
import { keyOf, type Event, type Payload } from '../history.js'
import type { Library } from '../library.js'
import { PublisherApp, TAKEN } from '../publisher.js'
import { SubscriberApp } from '../subscriber.js'
import { TcpProxy } from '../tcp-proxy.js'
import { Watchdog } from '../watchdog.js'
import { faultOf, type Fault, type FaultKind } from './faults.js'
import { Fleet, type Member } from './fleet.js'
import { NodePublisher } from './node-publisher.js'
import { startStore, type Store, type StoreKind } from './store.js'

export interface Plan {
  readonly seed: number
  readonly store: StoreKind
  /** Of redis-server. */
  readonly args: readonly string[]
  /** Whether the store keeps all that it acknowledges, through all of the faults. */
  readonly durable: boolean
  /** How often each kind, against the others. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  /** How many. */
  readonly count: number
  /** Messages of each publisher between two faults. */
  readonly messages: number
  readonly nodes: number
  readonly channels: number
  /** Messages that a connection of a client lives for, on average. */
  readonly mean: number
  /** Milliseconds without any progress after which the run is given up. */
  readonly patience: number
}

export interface Report {
  readonly violations: readonly Violation[]
  readonly history: readonly Event[]
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  /** Of clients: of their connections, and of their processes. */
  readonly cuts: number
  readonly restarts: number
  /** Node processes that ended by themselves. */
  readonly deaths: number
  readonly warnings: readonly LogLine[]
  /** Who waits for what, if the run did not come to its end; otherwise empty. */
  readonly stuck: string
}

/** A link that is silent for their sum is dead to a client; to the server after the third. Milliseconds. */
const HEARTBEAT = { interval: 300, timeout: 300 }
const SILENCE = 1_500
const STORAGE = { timeout: 700, compare: 1_000 }
const CLIENT: ClientOptions = { reconnect: { min: 1, base: 10, max: 200 }, connectTimeout: 1_000 }
/** Whose QoS each is. */
const PUBLISHERS = [1, 2, 2] as const
const SUBSCRIBERS = [1, 2, 2] as const
/** Of the nodes. */
const NODE_PUBLISHERS = 2
/** How the publishers of the last messages are called. */
const LAST = 'last-of-node-'
/** The chance that a fault goes on while the next one begins. */
const OVERLAP = 0.3
/** Milliseconds after which the next fault begins, whatever was published until then. */
const PAUSE = 500

/** Runs clients and nodes on Redis while faults befall them all, and checks what they saw. `root`: what a copy of the compiled library lies in. */
export async function runRedisNemesis (library: Library, plan: Plan, root?: string): Promise<Report> {
  const random = new Random(plan.seed)
  const store = await startStore(plan.store, plan.args, random.fork())
  const run = new Run(library, plan, store, random)
  try {
    await run.open(root)
    await run.work()
    await run.settle()
  } finally {
    await run.close()
    await store.stop()
  }
  return run.report()
}

class Run {
  readonly #library: Library
  readonly #plan: Plan
  readonly #store: Store
  readonly #random: Random
  readonly #history: Event[] = []
  readonly #channels: readonly string[]
  readonly #proxies: TcpProxy[] = []
  readonly #publishers: PublisherApp[] = []
  readonly #subscribers: SubscriberApp[] = []
  readonly #nodePublishers: NodePublisher[] = []
  readonly #watchdog: Watchdog
  /** Which subscriber has which of the messages that come last. */
  readonly #arrived = new Set<string>()
  readonly #counts: Partial<Record<FaultKind, number>> = {}
  #fleet: Fleet | null = null
  #cuts = 0
  #restarts = 0
  #ended = 0
  #phase = 'opening'
  #warnings: LogLine[] = []
  #deaths = 0

  constructor (library: Library, plan: Plan, store: Store, random: Random) {
    this.#library = library
    this.#plan = plan
    this.#store = store
    this.#random = random
    this.#channels = Array.from({ length: plan.channels }, (_, i) => `room/${i + 1}`)
    this.#watchdog = new Watchdog(plan.patience, () => this.#describe())
  }

  async open (root?: string): Promise<void> {
    const fleet = this.#fleet = await Fleet.start(this.#plan.nodes, {
      storage: STORAGE,
      push: {
        channels: { 'room/:id': { history: { limit: 1_000_000, bytes: 1e9 }, clientPublish: true } },
        heartbeat: HEARTBEAT,
        limits: { silence: SILENCE }
      },
      ...(root === undefined ? {} : { root })
    }, this.#store.address)
    const begins = await this.#begin(fleet)
    for (const [i, qos] of SUBSCRIBERS.entries()) {
      await this.#add(`subscriber-${i + 1}`, this.#subscribers, (name, url) =>
        new SubscriberApp(this.#library, { name, url, qos, begins, options: CLIENT, random: this.#random.fork() }, this.#note))
    }
    const messages = this.#plan.messages * this.#plan.count
    for (const [i, qos] of PUBLISHERS.entries()) {
      await this.#add(`publisher-${i + 1}`, this.#publishers, (name, url) =>
        new PublisherApp(this.#library, { name, url, qos, channels: this.#channels, messages, allowed: 0, options: CLIENT, random: this.#random.fork() }, this.#note, () => {}))
    }
    for (let i = 1; i <= NODE_PUBLISHERS; i++) {
      this.#nodePublishers.push(new NodePublisher(fleet, { name: `node-publisher-${i}`, channels: this.#channels, random: this.#random.fork() }, this.#note))
    }
    for (const { process } of [...this.#subscribers, ...this.#publishers]) process.start()
  }

  /** Publishes go on while one fault comes after the other. */
  async work (): Promise<void> {
    const { count, messages, faults } = this.#plan
    const context = { store: this.#store, fleet: this.#fleet as Fleet, channels: this.#channels, random: this.#random.fork(), note: this.#note }
    const open: Fault[] = []
    for (let i = 0; i < count && this.#watchdog.stuck === ''; i++) {
      const ended = this.#ended
      for (const publisher of [...this.#publishers, ...this.#nodePublishers]) publisher.allow(messages)
      const fault = faultOf(this.#random.weighted(faults as Record<FaultKind, number>), context)
      this.#phase = `${i + 1} of ${count}: ${fault.kind}`
      this.#counts[fault.kind] = (this.#counts[fault.kind] ?? 0) + 1
      for (const other of open.filter(({ victim }) => victim === fault.victim)) await this.#end(other, open)
      await this.#progress(ended + this.#random.int(1, messages))
      await fault.begin()
      open.push(fault)
      await sleep(fault.lasts)
      if (!this.#random.chance(OVERLAP)) for (const each of [...open]) await this.#end(each, open)
    }
    for (const each of [...open]) await this.#end(each, open)
  }

  /** No faults any more: everything is published, and arrives everywhere; every node publishes. */
  async settle (): Promise<void> {
    this.#phase = 'calm'
    const fleet = this.#fleet as Fleet
    for (const proxy of this.#proxies) proxy.calm()
    await this.#watchdog.until(Promise.all([...this.#publishers, ...this.#nodePublishers].map(({ done }) => done)))
    this.#phase = 'last messages'
    await this.#watchdog.until(Promise.all(this.#channels.flatMap((channel) => fleet.members.map(async (member, i) => {
      const publisher = new NodePublisher(fleet, { name: `${LAST}${i + 1}`, channels: [channel], random: this.#random.fork() }, this.#note)
      await publisher.last(channel, member)
    }))))
    this.#phase = 'arriving'
    await this.#watchdog.when(() => this.#arrived.size === this.#channels.length * fleet.members.length * this.#subscribers.length)
    this.#phase = 'reading'
    await this.#watchdog.until(Promise.all(this.#channels.map((channel) => this.#read(channel))))
    this.#warnings = (await Promise.all(fleet.members.map((member) => member.warnings()))).flat()
    this.#deaths = fleet.members.reduce((sum, { deaths }) => sum + deaths, 0)
  }

  async close (): Promise<void> {
    await Promise.all([...this.#publishers, ...this.#subscribers].map(({ process }) => process.close(2_000)))
    await Promise.all(this.#proxies.map((proxy) => proxy.close()))
    await this.#fleet?.end()
    this.#watchdog.close()
  }

  report (): Report {
    return {
      violations: check(this.#history, { durable: this.#plan.durable }),
      history: this.#history,
      faults: this.#counts,
      cuts: this.#cuts,
      restarts: this.#restarts,
      deaths: this.#deaths,
      warnings: this.#warnings,
      stuck: this.#watchdog.stuck
    }
  }

  readonly #note = (event: Event): void => {
    this.#history.push(event)
    if (event.type === 'ok' || event.type === 'refused' || event.type === 'unknown') this.#ended++
    if (event.type === 'handed' && event.publisher.startsWith(LAST)) this.#arrived.add(`${event.subscriber} ${keyOf(event)}`)
    this.#watchdog.progress()
  }

  async #end (fault: Fault, open: Fault[]): Promise<void> {
    open.splice(open.indexOf(fault), 1)
    await fault.end()
  }

  // Until so many publishes have ended; where none do, not for long.
  async #progress (ended: number): Promise<void> {
    const until = performance.now() + PAUSE
    while (this.#ended < ended && performance.now() < until) await sleep(5)
  }

  /** The first record of each channel, which has the id that others are refused for. */
  async #begin (fleet: Fleet): Promise<Map<string, Position>> {
    const begins = new Map<string, Position>()
    for (const channel of this.#channels) {
      const message = { publisher: 'first', channel, number: 1 }
      this.#note({ type: 'invoke', ...message, qos: 2 })
      const { position } = await fleet.pick(this.#random).call<{ position: Position }>('publish', channel, { publisher: 'first', number: 1 }, { id: TAKEN, qos: 2 })
      this.#note({ type: 'ok', ...message, position })
      begins.set(channel, { ...position, offset: 0 })
    }
    return begins
  }

  /** A client's application, and the proxy in front of it, which brings every connection to any of the nodes. */
  async #add<App extends PublisherApp | SubscriberApp> (name: string, apps: App[], make: (name: string, url: string) => App): Promise<void> {
    const random = this.#random.fork()
    let reloading = false
    const proxy = await TcpProxy.open(() => (this.#fleet as Fleet).pick(random).port, {
      fault: () => clientFaultOf(random, this.#plan.mean),
      cut: () => { this.#cuts++ },
      restart: (kind) => {
        if (reloading) return
        this.#restarts++
        if (kind === 'kill') return app.kill()
        reloading = true
        app.reload(this.#plan.patience).then(() => { reloading = false }, (error) => { throw error })
      }
    })
    this.#proxies.push(proxy)
    const app = make(name, `ws://127.0.0.1:${proxy.port}/push`)
    apps.push(app)
  }

  /** Reads what the log of a channel holds. */
  async #read (channel: string): Promise<void> {
    const [member] = (this.#fleet as Fleet).members as [Member]
    const { head } = await member.call<HistoryPage>('history', channel, { limit: 1 })
    for (let after: Position | null = { ...head, offset: 0 }; after !== null;) {
      const page: HistoryPage<Payload> = await member.call('history', channel, { limit: 1000, after })
      for (const { data, position } of page.messages) {
        if (position !== null) this.#note({ type: 'kept', channel, ...data, position })
      }
      after = page.next
    }
  }

  #describe (): string {
    const expected = this.#channels.length * (this.#fleet?.members.length ?? 0)
    return [
      this.#phase,
      ...this.#publishers.map(({ describe }) => describe),
      ...this.#nodePublishers.map(({ describe }) => describe),
      ...this.#subscribers.map(({ process }, i) => `subscriber-${i + 1} (${process.state}): ${[...this.#arrived].filter((each) => each.startsWith(`subscriber-${i + 1} `)).length} of ${expected} last messages`)
    ].join('\n')
  }
}
