import { setTimeout as sleep } from 'node:timers/promises'
import type { Position } from '../../../types/message.js'
import type { HistoryOptions, HistoryPage } from '../../../types/push.js'
import type { LogLine } from '../../helpers/app.js'
import type { NodeError } from '../../helpers/redis-node.js'
import { Random } from '../../model/random.js'
import { check, type Violation } from '../checker.js'
import type { Event, Payload } from '../history.js'
import type { Library } from '../library.js'
import { TAKEN } from '../publisher.js'
import { Watchdog } from '../watchdog.js'
import { Cast } from './cast.js'
import { faultOf, type Fault, type FaultKind } from './faults.js'
import { Fleet, type Member } from './fleet.js'
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
  /** The share of its time that each lasts. Default: all of it. */
  readonly haste?: number
  /** Messages of each publisher for each fault. */
  readonly messages: number
  readonly nodes: number
  readonly channels: number
  /** Messages that a connection of a client lives for, on average; `Infinity`: it is not cut. */
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
/** How long Redis has to answer, and how often heads are compared. Milliseconds. */
const STORAGE = { timeout: 700, compare: 1_000 }
const NODE = {
  storage: STORAGE,
  push: {
    channels: { 'room/:id': { history: { limit: 1_000_000, bytes: 1e9 }, clientPublish: true } },
    heartbeat: HEARTBEAT,
    limits: { silence: SILENCE }
  }
}
/** The chance that a fault goes on while the next one begins. */
const OVERLAP = 0.3
/** Milliseconds after which the next fault begins, whatever was published until then. */
const PAUSE = 500

/** Runs clients and nodes on Redis while faults befall them all, and checks what they saw. `root`: what a copy of the compiled library lies in. */
export async function runRedisNemesis (library: Library, plan: Plan, root?: string): Promise<Report> {
  const random = new Random(plan.seed)
  const store = await startStore(plan.store, plan.args, random.fork())
  try {
    const fleet = await Fleet.start(plan.nodes, { ...NODE, ...(root === undefined ? {} : { root }) }, store.address)
    try {
      return await new Run(library, plan, { store, fleet, random }).run()
    } finally {
      await fleet.end()
    }
  } finally {
    await store.stop()
  }
}

class Run {
  readonly #library: Library
  readonly #plan: Plan
  readonly #store: Store
  readonly #fleet: Fleet
  readonly #random: Random
  readonly #channels: readonly string[]
  readonly #history: Event[] = []
  readonly #faults: Partial<Record<FaultKind, number>> = {}
  readonly #watchdog: Watchdog
  #cast: Cast | null = null
  #ended = 0
  #phase = 'opening'

  constructor (library: Library, plan: Plan, { store, fleet, random }: { store: Store, fleet: Fleet, random: Random }) {
    this.#library = library
    this.#plan = plan
    this.#store = store
    this.#fleet = fleet
    this.#random = random
    this.#channels = Array.from({ length: plan.channels }, (_, i) => `room/${i + 1}`)
    this.#watchdog = new Watchdog(plan.patience, () => `${this.#phase}\n${this.#cast?.describe ?? ''}`)
  }

  async run (): Promise<Report> {
    const { count, mean, messages, durable } = this.#plan
    const cast = this.#cast = await Cast.start({
      library: this.#library, fleet: this.#fleet, begins: await this.#begin(), messages: messages * count, mean, random: this.#random.fork(), note: this.#note
    })
    try {
      await this.#work(cast)
      await this.#settle(cast)
      const { members } = this.#fleet
      const warnings = (await Promise.all(members.map((member) => member.warnings()))).flat()
      return {
        violations: check(this.#history, { durable }),
        history: this.#history,
        faults: this.#faults,
        cuts: cast.cuts,
        restarts: cast.restarts,
        deaths: members.reduce((sum, { deaths }) => sum + deaths, 0),
        warnings,
        stuck: this.#watchdog.stuck
      }
    } finally {
      this.#watchdog.close()
      await cast.close()
    }
  }

  // Publishes go on while one fault comes after the other.
  async #work (cast: Cast): Promise<void> {
    const { count, messages, faults, haste = 1 } = this.#plan
    const context = { store: this.#store, fleet: this.#fleet, channels: this.#channels, random: this.#random.fork(), note: this.#note }
    const open: Fault[] = []
    for (let i = 1; i <= count; i++) {
      const ended = this.#ended
      cast.allow(messages)
      const fault = faultOf(this.#random.weighted(faults as Record<FaultKind, number>), context)
      const isLong = this.#random.chance(OVERLAP) && i < count
      const soon = this.#random.int(1, messages)
      this.#phase = `${i} of ${count}: ${fault.kind}`
      this.#faults[fault.kind] = (this.#faults[fault.kind] ?? 0) + 1
      if (open.some(({ victim }) => victim === fault.victim)) await endAll(open)
      await fault.prepare()
      await this.#progress(ended + soon)
      await fault.begin()
      open.push(fault)
      await sleep(fault.lasts * haste)
      if (!isLong) await endAll(open)
    }
  }

  // Until so many publishes have ended; where none do, not for long.
  async #progress (ended: number): Promise<void> {
    const until = performance.now() + PAUSE
    while (this.#ended < ended && performance.now() < until) await sleep(5)
  }

  // No faults any more: everything is published, and arrives everywhere; every node publishes.
  async #settle (cast: Cast): Promise<void> {
    this.#watchdog.progress()
    this.#phase = 'calm'
    await this.#watchdog.until(cast.calm())
    this.#phase = 'last messages'
    await this.#watchdog.until(this.#publishUnheard(cast))
    this.#phase = 'arriving'
    await this.#watchdog.when(() => cast.isDone)
    this.#phase = 'reading'
    await this.#watchdog.until(Promise.all(this.#channels.map((channel) => this.#read(channel))))
  }

  // What is published while no node may listen, nothing that comes later brings to mind.
  async #publishUnheard (cast: Cast): Promise<void> {
    const { store } = this.#plan
    if (store !== 'server') return await cast.publishLast()
    await this.#store.ask('ACL', 'SETUSER', 'default', '-subscribe')
    await this.#store.ask('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await cast.publishLast()
    await this.#store.ask('ACL', 'SETUSER', 'default', '+subscribe')
  }

  readonly #note = (event: Event): void => {
    this.#history.push(event)
    if (event.type === 'ok' || event.type === 'refused' || event.type === 'unknown') this.#ended++
    this.#watchdog.progress()
  }

  // The first record of each channel, which has the id that others are refused for.
  async #begin (): Promise<Map<string, Position>> {
    const begins = new Map<string, Position>()
    for (const channel of this.#channels) {
      const message = { publisher: 'first', channel, number: 1 }
      this.#note({ type: 'invoke', ...message, qos: 2 })
      const { position } = await this.#fleet.pick(this.#random).call<{ position: Position }>('publish', channel, { publisher: 'first', number: 1 }, { id: TAKEN, qos: 2 })
      this.#note({ type: 'ok', ...message, position })
      begins.set(channel, { ...position, offset: 0 })
    }
    return begins
  }

  // What the log of a channel holds in the end.
  async #read (channel: string): Promise<void> {
    const { head } = await this.#page(channel, { limit: 1 })
    for (let after: Position | null = { ...head, offset: 0 }; after !== null;) {
      const page: HistoryPage<Payload> = await this.#page(channel, { limit: 1000, after })
      for (const { data, position } of page.messages) {
        if (position !== null) this.#note({ type: 'kept', channel, ...data, position })
      }
      after = page.next
    }
  }

  // The node may be without a connection to Redis yet: a read that is refused is tried again.
  async #page (channel: string, options: HistoryOptions): Promise<HistoryPage<Payload>> {
    const [member] = this.#fleet.members as [Member]
    for (;;) {
      try {
        return await member.call('history', channel, options)
      } catch (error) {
        if ((error as NodeError).code !== 'PUSH_STORAGE_UNAVAILABLE') throw error
        await sleep(50)
      }
    }
  }
}

// All at once: a node begins only where there is a Redis.
async function endAll (open: Fault[]): Promise<void> {
  await Promise.all(open.splice(0).map((fault) => fault.end()))
}
