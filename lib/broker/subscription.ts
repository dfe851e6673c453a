import type { ClientInfo, DropEvent } from '../../types/hooks.js'
import type { Position, QoS } from '../../types/message.js'
import type { SlowPolicy } from '../../types/options.js'
import { PushError } from '../core/errors.js'
import { resume, type Resumption } from '../core/position.js'
import { InflightWindow } from '../core/window.js'
import type { Batch } from './batch.js'
import { CatchUp, type Behind, type CatchUpContext } from './catch-up.js'
import type { Counters } from './counters.js'
import { gapFrame } from './encoding.js'
import type { ChannelHooks } from './hooks.js'
import type { Outlet } from './outlet.js'
import type { PageQuery, SharedPage } from './pages.js'
import type { ReadTurns } from './read-turns.js'
import type { SharedFrame } from './shared-frame.js'

/** Most records read at once when catching up. */
const PAGE_RECORDS = 128

/** The window at QoS 0: far away, and a small integer to V8. */
const UNBOUNDED = 2 ** 30

export interface SubscriptionContext extends CatchUpContext {
  readonly counters: Counters
  /** The most records in flight. */
  readonly window: number
  /** Milliseconds that a reader which had caught up may be behind; then it is slow. */
  readonly slowAfter: number
}

/** The channel of a subscription. */
export interface Followed {
  /** Its name in the storage. */
  readonly channel: string
  /** Its name in frames. */
  readonly wire: string
  readonly hooks: ChannelHooks
  /** Lets a subscription hear what arrives. */
  add (subscription: Subscription): void
  /** It has ended. */
  remove (subscription: Subscription): void
}

/** On whose behalf a subscription is, and how. */
export interface Subscriber {
  readonly client: ClientInfo
  readonly qos: QoS
  readonly outlet: Outlet
}

/** Where a subscription starts. */
export interface Start {
  /** The next record follows it. */
  readonly position: Position
  /** The log's head. */
  readonly head: number
  /** What the client is known to have acknowledged. */
  readonly acknowledged: Position | null
  /** Whether nobody knew a position. */
  readonly fresh: boolean
  /** Whether the subscriber asked for what lies between the position and the head. */
  readonly rewound: boolean
  /** What happens once it has caught up and then falls behind because its reader is slow. */
  readonly slow: SlowPolicy
}

/**
 * A cursor into a channel's log, on behalf of one connection. It either stands at the head and takes shared buffers, or is
 * behind and reads the log; nothing ever queues up for it here.
 */
export class Subscription implements Behind {
  readonly qos: QoS
  readonly outlet: Outlet
  /** Whom it is for, as hooks see it. */
  client: ClientInfo
  /** Whether nobody knew a position: it started where it wanted to. */
  readonly fresh: boolean
  /** Called when an acknowledgement has moved the cursor. */
  onAcknowledged: ((position: Position) => void) | null = null
  epoch: string
  /** Whether it may send. Before that, what arrives is only noted. */
  started = false
  /** The offset that a shared buffer must begin with to be taken as it is; -1 while it cannot be. */
  ready = -1
  /** The highest offset that may be in flight: the window's. */
  limit: number
  readonly #context: SubscriptionContext
  readonly #topic: Followed
  readonly #window: InflightWindow
  #acknowledged: Position | null
  /** The next offset to send. */
  #next: number
  /** The highest offset heard of. */
  #seen: number
  /** Up to here a QoS 0 record is sent even when read from the log: the subscriber asked for it. */
  readonly #rewound: number
  /** Up to here, in the epoch it started in, is what came before it was back. */
  #missed: number
  readonly #policy: SlowPolicy
  #live = false // whether it has ever caught up
  #behindSince: number | null = null // since when it has not stood at the head; only where the policy asks
  #dropping = false // whether the reader is slow, and what it has missed is to be dropped
  #stale = false // the log may have got a new epoch:
  #other: Batch | null = null // what was heard of it last
  #closed = false
  #catchUp: CatchUp | null = null // most are never behind
  #waiters: Set<() => void> | null = null

  /** Sends nothing before `start`. Hears its topic, which must have been joined, until it is closed. */
  constructor (context: SubscriptionContext, topic: Followed, { client, qos, outlet }: Subscriber, start: Start) {
    this.qos = qos
    this.outlet = outlet
    this.client = client
    this.fresh = start.fresh
    this.#topic = topic
    this.epoch = start.position.epoch
    this.#context = context
    this.#next = start.position.offset + 1
    this.#seen = start.head
    this.#rewound = start.rewound ? start.head : 0
    this.#missed = start.fresh ? 0 : start.head
    this.#acknowledged = start.acknowledged
    this.#policy = start.slow
    const acknowledged = start.acknowledged?.epoch === this.epoch ? start.acknowledged.offset : -1
    this.#window = new InflightWindow(qos === 0 ? UNBOUNDED : context.window, start.position.offset, acknowledged)
    this.limit = this.#window.limit
    topic.add(this)
  }

  /** The channel's name in the storage. */
  get channel (): string {
    return this.#topic.channel
  }

  /** The channel's name in frames. */
  get wire (): string {
    return this.#topic.wire
  }

  /** Whether the client was sent a record, and has not acknowledged it yet. */
  awaits (position: Position): boolean {
    return this.qos > 0 && this.epoch === position.epoch && this.#next > position.offset && this.reached(position) === 'pending'
  }

  /** What the client has acknowledged last, in whichever epoch; `null` while nothing is known. */
  get acknowledged (): Position | null {
    return this.#acknowledged
  }

  /** Begins to send: whoever subscribed has been told where it stands. */
  start (): void {
    this.started = true
    this.settle()
  }

  /** A shared buffer up to `to` goes out. */
  advance (to: number): void {
    this.#next = to + 1
    if (to > this.#seen) this.#seen = to
    this.ready = this.#next <= this.limit ? this.#next : -1
  }

  /** A batch that could not just be taken. */
  hear (batch: Batch, frame: SharedFrame, last: boolean): void {
    if (this.#closed) return
    if (this.qos === 0 && this.started && !this.#reading) return this.#jump(batch, frame, last)
    if (batch.epoch !== this.epoch) this.#hearOther(batch)
    else if (batch.to > this.#seen) this.#seen = batch.to
    if (this.#reading) return
    if (this.#isSlow) this.#fallBehind()
    else this.settle()
  }

  #hearOther (batch: Batch): void {
    this.#stale = true
    if (this.#other?.epoch !== batch.epoch || batch.to > this.#other.to) this.#other = batch
  }

  // A burst says nothing about the reader, nor does a log that cannot be read: it is slow when it has had time, and there still is no room.
  get #isSlow (): boolean {
    return this.#behindSince !== null && !this.#open && this.#context.clock.now() - this.#behindSince >= this.#context.slowAfter
  }

  #fallBehind (): void {
    if (this.#policy === 'drop') this.#dropping = true
    else this.outlet.disconnect()
  }

  /** The head of the log, told after the feed was interrupted. */
  hearHead (state: { readonly epoch: string, readonly head: number }): void {
    if (this.#closed) return
    if (this.qos === 0 && this.started && !this.#reading) this.#jumpTo(state.epoch, state.head, state.head)
    else if (state.epoch !== this.epoch) this.#hearOther({ epoch: state.epoch, from: state.head, to: state.head })
    else if (state.head > this.#seen) this.#seen = state.head
    this.settle()
  }

  // At QoS 0 "behind" means: jump, and count what was missed. A batch that overlaps the position is left to the client's cursor.
  #jump (batch: Batch, frame: SharedFrame, last: boolean): void {
    if (batch.epoch === this.epoch && batch.to < this.#next) return
    const count = batch.to - batch.from + 1
    this.#jumpTo(batch.epoch, batch.from - 1, batch.to)
    if (this.outlet.writable) {
      this.#context.counters.delivered += count
      this.outlet.share(frame, last)
      this.#delivered(batch.from, batch.to)
    } else {
      this.drop(count, 'qos0')
    }
    this.settle()
  }

  // Missing everything up to `missed`, then standing at `offset`.
  #jumpTo (epoch: string, missed: number, offset: number): void {
    if (epoch === this.epoch) {
      if (offset < this.#next) return
      if (missed >= this.#next) this.drop(missed + 1 - this.#next, 'qos0')
    }
    this.#enter(epoch)
    this.#seen = offset
    this.#next = offset + 1
  }

  /**
   * Takes a cumulative acknowledgement. One of another epoch or beyond the log's head is ignored and counted.
   */
  acknowledge (position: Position): void {
    const outcome = position.epoch === this.epoch ? this.#window.acknowledge(position.offset, this.#seen) : 'beyond'
    if (outcome === 'beyond') this.#context.counters.ignoredAcks++
    // The confirmation of an acknowledgement may have been lost with an earlier connection. [P-4.8]
    if (outcome === 'stale' && this.qos === 2 && this.#acknowledged !== null) this.onAcknowledged?.(this.#acknowledged)
    if (outcome !== 'advanced') return
    this.limit = this.#window.limit
    this.#acknowledged = position
    // Within the head but not sent here: the client had it on an earlier connection.
    if (position.offset >= this.#next) this.#next = position.offset + 1
    this.onAcknowledged?.(position)
    this.#topic.hooks.ack?.({ channel: this.channel, client: this.client, position })
    this.#notify()
    if (this.ready === -1) this.settle()
  }

  /** Finds out how to go on. To be called whenever something changed that may stand against sending, or no longer does. */
  settle (): void {
    if (this.qos === 0) this.#unbind()
    if (this.#dropping && this.#open && !this.#reading && !this.#stale) this.#passOver()
    const caughtUp = this.#next > this.#seen && !this.#stale
    const open = this.#open
    this.ready = open && caughtUp && !this.#reading ? this.#next : -1
    if (this.ready !== -1) this.#live = true
    if (this.#policy !== 'catch-up') this.#behindSince = caughtUp || !this.#live ? null : this.#behindSince ?? this.#context.clock.now()
    if (open && !caughtUp) this.#goOn()
  }

  // Reads on from the cursor until caught up. Every page reports the head, so whatever arrives on the feed meanwhile only has to raise `seen`.
  #goOn (): void {
    this.#catchUp ??= new CatchUp(this.#context, this)
    this.#catchUp.go()
  }

  get #reading (): boolean {
    return this.#catchUp !== null && this.#catchUp.reading
  }

  // At QoS 0 nothing is acknowledged: the window goes along.
  #unbind (): void {
    this.#window.skip(this.#next - 1)
    this.limit = this.#window.limit
  }

  // Whether anything may be sent at all.
  get #open (): boolean {
    return this.started && !this.#closed && this.outlet.writable && this.#next <= this.limit
  }

  // By the channel's policy, what a slow reader did not take is dropped, and told.
  #passOver (): void {
    this.#dropping = false
    const from = this.#next
    const to = this.#seen
    if (from > to) return
    this.drop(to - from + 1, 'slow')
    this.#lose({ epoch: this.epoch, offset: to }, { reason: 'slow', from, to, count: to - from + 1 })
  }

  /** Notes that messages will not reach it. */
  drop (count: number, reason: DropEvent['reason']): void {
    if (reason === 'given-up') this.#context.counters.givenUp += count
    else this.#context.counters.dropped += count
    this.#topic.hooks.drop?.({ channel: this.channel, client: this.client, count, reason })
  }

  /** Ends it on this node; the stored cursor stays. Nothing is written afterwards. */
  close (): void {
    if (this.#closed) return
    this.#closed = true
    this.#topic.remove(this)
    this.ready = -1
    this.onAcknowledged = null
    this.#catchUp?.close()
    this.#notify()
  }

  /** Whether the client has acknowledged `position`: 'pending' may still change, 'never' does not. */
  reached (position: Position): 'yes' | 'pending' | 'never' {
    const acknowledged = this.#acknowledged
    if (acknowledged?.epoch === position.epoch && acknowledged.offset >= position.offset) return 'yes'
    return this.#closed ? 'never' : 'pending'
  }

  /** Calls back on each acknowledgement and at the end. Returns the release. */
  onProgress (callback: () => void): () => void {
    const waiters = this.#waiters ??= new Set()
    waiters.add(callback)
    return () => waiters.delete(callback)
  }

  #notify (): void {
    if (this.#waiters !== null) for (const callback of [...this.#waiters]) callback()
  }

  get reads (): ReadTurns {
    return this.outlet.reads
  }

  query (): PageQuery {
    const room = Math.min(PAGE_RECORDS, this.#window.room(this.#next - 1))
    // By powers of two, so that those who stand in the same place read the same page, whatever room each of them has.
    return { channel: this.channel, wire: this.wire, epoch: this.epoch, stale: this.#stale, from: this.#next, limit: 2 ** Math.floor(Math.log2(room)) }
  }

  take (shared: SharedPage): void {
    if (!this.outlet.writable) return // the room has gone to others meanwhile: what was read is read again
    const { page } = shared
    const { position, gap } = resume({ epoch: this.epoch, offset: this.#next - 1 }, page)
    this.#seen = gap === undefined || gap.reason === 'retention' ? Math.max(this.#seen, page.head) : page.head
    // What came while the page was on its way.
    if (this.#other?.epoch === page.epoch) this.#seen = Math.max(this.#seen, this.#other.to)
    // A page may have been read for others a moment ago: what was heard of a yet other epoch still holds.
    this.#stale = this.#other !== null && this.#other.epoch !== page.epoch && this.epoch !== page.epoch
    this.#other = this.#stale ? this.#other : null
    if (gap !== undefined) this.#lose(position, gap)
    if (page.records.length > 0 && page.from === this.#next) this.#send(shared)
    else if (page.records.length === 0 && gap === undefined && this.#next <= this.#seen) throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'the log lags behind its feed')
  }

  #lose (position: Position, gap: NonNullable<Resumption['gap']>): void {
    if (position.epoch === this.epoch) this.#window.skip(position.offset)
    else this.#window.reset(position.offset, -1)
    this.limit = this.#window.limit
    this.#enter(position.epoch)
    this.#next = position.offset + 1
    this.#context.counters.gaps++
    this.outlet.write(gapFrame({ channel: this.wire, ...gap, position }))
    this.#topic.hooks.gap?.({ channel: this.channel, client: this.client, gap: { channel: this.channel, ...gap, position } })
  }

  #enter (epoch: string): void {
    if (epoch !== this.epoch) this.#missed = 0
    this.epoch = epoch
  }

  #send (shared: SharedPage): void {
    for (const { frame, count, from, to } of shared.portions(this.#rewound)) {
      this.#context.counters.delivered += count
      this.outlet.share(frame, false)
      if (count > 0) this.#delivered(from, to)
    }
    this.#next = shared.page.from + shared.page.records.length
  }

  #delivered (from: number, to: number): void {
    const { deliver, redeliver } = this.#topic.hooks
    const { channel, client, epoch } = this
    deliver?.({ channel, client, epoch, from, to })
    if (redeliver !== null && from <= this.#missed) redeliver({ channel, client, epoch, from, to: Math.min(to, this.#missed) })
  }
}
