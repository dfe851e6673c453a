import type { Position, QoS } from '../../types/message.js'
import type { LogStore, Page } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { resume, verdict, type Resumption } from '../core/position.js'
import { InflightWindow } from '../core/window.js'
import type { Batch } from './batch.js'
import type { Counters } from './counters.js'
import { gapFrame, messagesFrame, skipFrame } from './encoding.js'
import { segments } from './segments.js'

/** Most records and bytes read at once when catching up. */
const PAGE_RECORDS = 128
const PAGE_BYTES = 256 * 1024

/** First and longest pause after a read failed, in milliseconds. */
const RETRY_FIRST = 100
const RETRY_LONGEST = 5000

/** Where a subscription writes: the connection it belongs to. */
export interface Outlet {
  /** Writes whole WebSocket frames. */
  write (frame: Uint8Array): void
  /** Whether there is room. The outlet tells its subscriptions, through `settle`, whenever this changes. */
  readonly writable: boolean
}

export interface SubscriptionContext {
  readonly log: LogStore
  readonly clock: Clock
  readonly counters: Counters
  /** The most records in flight. */
  readonly window: number
  /** A trouble nobody waits for. */
  readonly onError: (error: unknown) => void
}

/** Where a subscription starts. */
export interface Start {
  /** The next record follows it. */
  readonly position: Position
  /** The log's head. */
  readonly head: number
  /** What the client is known to have acknowledged. */
  readonly acknowledged: Position | null
  /** Whether the subscriber asked for what lies between the position and the head. */
  readonly rewound: boolean
}

/**
 * A cursor into a channel's log, on behalf of one connection. It either stands at the head and takes shared buffers, or is
 * behind and reads the log; nothing ever queues up for it here.
 */
export class Subscription {
  readonly channel: string
  readonly qos: QoS
  readonly outlet: Outlet
  /** Called when an acknowledgement has moved the cursor. */
  onAcknowledged: ((position: Position) => void) | null = null
  epoch: string
  /** Whether it may send. Before that, what arrives is only noted. */
  started = false
  /** The offset that a shared buffer must begin with to be taken as it is; -1 while it cannot be. */
  ready = -1
  readonly #context: SubscriptionContext
  readonly #window: InflightWindow
  #acknowledged: Position | null
  /** The next offset to send. */
  #next: number
  /** The highest offset heard of. */
  #seen: number
  /** Up to here a QoS 0 record is sent even when read from the log: the subscriber asked for it. */
  readonly #rewound: number
  #reading = false // one page at a time
  #stale = false // the log may have got a new epoch
  #closed = false
  #retry: (() => void) | null = null
  #failures = 0
  #waiters: Set<() => void> | null = null

  /** Sends nothing before `start`. */
  constructor (context: SubscriptionContext, channel: string, qos: QoS, outlet: Outlet, start: Start) {
    this.channel = channel
    this.qos = qos
    this.outlet = outlet
    this.epoch = start.position.epoch
    this.#context = context
    this.#next = start.position.offset + 1
    this.#seen = start.head
    this.#rewound = start.rewound ? start.head : 0
    this.#acknowledged = start.acknowledged
    const acknowledged = start.acknowledged?.epoch === this.epoch ? start.acknowledged.offset : -1
    this.#window = new InflightWindow(qos === 0 ? Infinity : context.window, start.position.offset, acknowledged)
  }

  /** The highest offset that may be in flight. */
  get limit (): number {
    return this.#window.limit
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
    this.ready = this.#next <= this.#window.limit ? this.#next : -1
  }

  /** A batch that could not just be taken. */
  hear (batch: Batch, frame: Buffer): void {
    if (this.#closed) return
    if (this.qos === 0 && this.started && !this.#reading) return this.#jump(batch, frame)
    switch (verdict({ epoch: this.epoch, offset: this.#next - 1 }, batch.epoch, batch.to)) {
      case 'duplicate': return
      case 'reset': this.#stale = true; break
      default: this.#seen = Math.max(this.#seen, batch.to)
    }
    this.settle()
  }

  /** The head of the log, told after the feed was interrupted. */
  hearHead (state: { readonly epoch: string, readonly head: number }): void {
    if (this.#closed) return
    if (this.qos === 0 && this.started && !this.#reading) this.#jumpTo(state.epoch, state.head, state.head)
    else if (state.epoch !== this.epoch) this.#stale = true
    else if (state.head > this.#seen) this.#seen = state.head
    this.settle()
  }

  // At QoS 0 "behind" means: jump, and count what was missed. A batch that overlaps the position is left to the client's cursor.
  #jump (batch: Batch, frame: Buffer): void {
    if (batch.epoch === this.epoch && batch.to < this.#next) return
    const count = batch.to - batch.from + 1
    this.#jumpTo(batch.epoch, batch.from - 1, batch.to)
    if (this.outlet.writable) {
      this.#context.counters.delivered += count
      this.outlet.write(frame)
    } else {
      this.#context.counters.dropped += count
    }
    this.settle()
  }

  // Missing everything up to `missed`, then standing at `offset`.
  #jumpTo (epoch: string, missed: number, offset: number): void {
    if (epoch === this.epoch) {
      if (offset < this.#next) return
      if (missed >= this.#next) this.#context.counters.dropped += missed + 1 - this.#next
    }
    this.epoch = epoch
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
    this.#acknowledged = position
    // Within the head but not sent here: the client had it on an earlier connection.
    if (position.offset >= this.#next) this.#next = position.offset + 1
    this.onAcknowledged?.(position)
    this.#notify()
    if (this.ready === -1) this.settle()
  }

  /** Finds out how to go on. To be called whenever something changed that may stand against sending, or no longer does. */
  settle (): void {
    const caughtUp = this.#next > this.#seen && !this.#stale
    const open = this.started && !this.#closed && this.outlet.writable && this.#next <= this.#window.limit
    this.ready = open && caughtUp && !this.#reading ? this.#next : -1
    if (open && !caughtUp && !this.#reading && this.#retry === null) this.#read().catch(this.#context.onError)
  }

  /** Ends it. Nothing is written afterwards. */
  close (): void {
    this.#closed = true
    this.ready = -1
    this.onAcknowledged = null
    this.#retry?.()
    this.#retry = null
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

  // Reads on from the cursor until caught up, one page at a time. Every page reports the head, so whatever arrives on the
  // feed meanwhile only has to raise `seen`.
  async #read (): Promise<void> {
    this.#reading = true
    try {
      const limit = Math.min(PAGE_RECORDS, this.#window.room(this.#next - 1))
      const page = await this.#context.log.read(this.channel, { from: this.#next, limit, bytes: PAGE_BYTES })
      // The room may have gone to others meanwhile: what was read is then read again.
      if (this.#closed || !this.outlet.writable) return
      this.#take(page)
      this.#failures = 0
    } catch (error) {
      if (!this.#closed) this.#retryLater(error)
    } finally {
      this.#reading = false
      this.settle()
    }
  }

  #retryLater (error: unknown): void {
    const pause = Math.min(RETRY_FIRST * 2 ** this.#failures++, RETRY_LONGEST)
    this.#retry = this.#context.clock.after(pause, () => {
      this.#retry = null
      this.settle()
    })
    this.#context.onError(error)
  }

  #take (page: Page): void {
    this.#stale = false
    const { position, gap } = resume({ epoch: this.epoch, offset: this.#next - 1 }, page)
    if (gap !== undefined) this.#lose(position, gap)
    this.#seen = gap === undefined ? Math.max(this.#seen, page.head) : page.head
    if (page.records.length > 0 && page.from === this.#next) this.#send(page)
    else if (page.records.length === 0 && gap === undefined && this.#next <= this.#seen) throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'the log lags behind its feed')
  }

  #lose (position: Position, gap: NonNullable<Resumption['gap']>): void {
    if (position.epoch === this.epoch) this.#window.skip(position.offset)
    else this.#window.reset(position.offset, -1)
    this.epoch = position.epoch
    this.#next = position.offset + 1
    this.#context.counters.gaps++
    this.outlet.write(gapFrame({ channel: this.channel, ...gap, position }))
  }

  #send ({ epoch, from, records }: Page): void {
    for (const segment of segments(from, records, this.#rewound)) {
      if (segment.bodies === null) {
        this.outlet.write(skipFrame(this.channel, epoch, segment.from, segment.to))
      } else {
        this.#context.counters.delivered += segment.bodies.length
        this.outlet.write(messagesFrame(this.channel, epoch, segment.from, segment.bodies))
      }
    }
    this.#next = from + records.length
  }
}
