import type { FeedBatch, FeedListener, FeedRecord, LogState } from '../../types/storage.js'
import type { Batch } from './batch.js'
import type { Counters } from './counters.js'
import type { Channel } from './channels.js'
import { messagesFrame, volatileFrame } from './encoding.js'
import type { ChannelHooks } from './hooks.js'
import { SharedFrame } from './shared-frame.js'
import type { StateReads } from './state-reads.js'
import type { Followed, Subscription } from './subscription.js'
import type { Ending, Tick } from './tick.js'

/** Most records and bytes in one shared frame: a batch larger than a window could not be sent to anybody. */
const BATCH_RECORDS = 64
const BATCH_BYTES = 64 * 1024

/** Bytes that may gather before the end of the tick: a host that publishes in a loop need not let one end. */
const TICK_BYTES = 1024 * 1024

/** Whom a topic tells. */
export interface TopicOwner {
  /** Announcements may have been lost: it wants to know the head of its log. */
  interrupted (topic: Topic): void
  /** One fewer follows it. */
  leave (topic: Topic): void
  /** Somebody cannot take what was announced just now, and will read it before long. */
  missed (topic: Topic, run: Run): void
}

/** Announced records, contiguous. */
export interface Run {
  readonly epoch: string
  readonly from: number
  readonly records: FeedRecord[]
  /** Of all bodies. */
  bytes: number
}

/**
 * One channel on this node: who follows it, and what arrived for them in this tick.
 * All records of a tick are one shared buffer and one write per connection (DESIGN 9).
 */
export class Topic implements FeedListener, Followed, Ending {
  /** The channel's name in the storage. */
  readonly channel: string
  /** Its name in frames. */
  readonly wire: string
  readonly hooks: ChannelHooks
  readonly subscriptions = new Set<Subscription>()
  /** How many follow the channel, or are about to. Kept by the hub. */
  users = 0
  /** Joining its feed, set by the hub; gives the release. */
  joined: Promise<() => Promise<void>> = Promise.resolve(async () => {})
  readonly #counters: Counters
  readonly #tick: Tick
  readonly #owner: TopicOwner
  readonly #reads: StateReads
  /** The newest record heard of, by the feed or when the head was asked for. */
  newest: { readonly epoch: string, readonly head: number } | null = null
  #runs: Run[] = []
  #volatile: Uint8Array[] = []
  #bytes = 0
  #scheduled = false

  constructor ({ name, wire, rules }: Pick<Channel, 'name' | 'wire' | 'rules'>, reads: StateReads, counters: Counters, tick: Tick, owner: TopicOwner) {
    this.channel = name
    this.wire = wire
    this.hooks = rules.hooks
    this.#reads = reads
    this.#counters = counters
    this.#tick = tick
    this.#owner = owner
  }

  add (subscription: Subscription): void {
    this.subscriptions.add(subscription)
  }

  remove (subscription: Subscription): void {
    if (this.subscriptions.delete(subscription)) this.#owner.leave(this)
  }

  records ({ epoch, from, records }: FeedBatch): void {
    this.hearHead(epoch, from + records.length - 1)
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as FeedRecord
      let run = this.#runs.at(-1)
      if (run === undefined || run.epoch !== epoch || run.from + run.records.length !== from + i ||
          run.records.length === BATCH_RECORDS || run.bytes + record.body.byteLength > BATCH_BYTES) {
        this.#runs.push(run = { epoch, from: from + i, records: [], bytes: 0 })
      }
      run.records.push(record)
      run.bytes += record.body.byteLength
      this.#bytes += record.body.byteLength
    }
    this.#wake()
  }

  volatile (bodies: readonly Uint8Array[]): void {
    for (const body of bodies) {
      this.#volatile.push(body)
      this.#bytes += body.byteLength
    }
    this.#wake()
  }

  interrupted (): void {
    this.#owner.interrupted(this)
  }

  /** Notes how far the log reaches, for whoever is subscribing at this moment. */
  hearHead (epoch: string, head: number): void {
    if (this.newest?.epoch !== epoch || head > this.newest.head) this.newest = { epoch, head }
  }

  /** What its log was like a moment ago, or is now as far as the topic has heard. Rejects as the log does. */
  async recent (): Promise<LogState> {
    const state = await this.#reads.recent()
    const { newest } = this
    return newest !== null && newest.epoch === state.epoch && newest.head > state.head ? { ...state, head: newest.head } : state
  }

  /** What its log is like now. Rejects as the log does. */
  state (): Promise<LogState> {
    return this.#reads.now()
  }

  #wake (): void {
    if (this.#bytes > TICK_BYTES) return this.flush(false)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#tick.channel(this)
  }

  /** The tick has ended. */
  endTick (last: boolean): void {
    this.#scheduled = false
    this.flush(last)
  }

  /** Writes what has arrived. */
  flush (last: boolean): void {
    const runs = this.#runs
    const volatile = this.#volatile
    this.#runs = []
    this.#volatile = []
    this.#bytes = 0
    for (const run of runs) {
      const frame = messagesFrame(this.wire, run.epoch, run.from, run.records.map(({ body }) => body))
      const lastOfAll = last && run === runs.at(-1) && volatile.length === 0
      this.#deliver(run, new SharedFrame(frame), lastOfAll)
    }
    if (volatile.length > 0) this.#deliverVolatile(volatile, last)
  }

  // The hot path. `ready` is the one number kept up to date elsewhere: the offset that this subscription takes
  // from a shared buffer, or -1 while anything at all stands against it.
  #deliver (run: Run, frame: SharedFrame, last: boolean): void {
    const { epoch, from } = run
    const to = from + run.records.length - 1
    const batch: Batch = { epoch, from, to }
    const told = this.hooks.deliver
    let taken = 0
    let isMissed = false
    for (const subscription of this.subscriptions) {
      if (subscription.ready === from && to <= subscription.limit && subscription.epoch === epoch) {
        taken++
        subscription.advance(to)
        subscription.outlet.share(frame, last)
        if (told !== null) told({ channel: this.channel, client: subscription.client, epoch, from, to })
      } else {
        if (!isMissed && subscription.qos > 0) {
          this.#owner.missed(this, run)
          isMissed = true
        }
        subscription.hear(batch, frame, last)
      }
    }
    this.#counters.delivered += taken * (to - from + 1)
  }

  #deliverVolatile (bodies: readonly Uint8Array[], last: boolean): void {
    const frame = new SharedFrame(volatileFrame(this.wire, bodies))
    for (const subscription of this.subscriptions) {
      const { outlet, started } = subscription
      if (!started) continue
      if (outlet.writable) {
        this.#counters.delivered += bodies.length
        outlet.share(frame, last)
      } else {
        subscription.drop(bodies.length, 'qos0')
      }
    }
  }
}
