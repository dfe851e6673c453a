import type { ClientInfo, DropEvent } from '../../types/hooks.js'
import type { Position } from '../../types/message.js'
import { PushError } from '../core/errors.js'
import type { Batch } from './batch.js'
import { CatchUp, type Behind } from './catch-up.js'
import { Cursor, type Lost, type Start } from './cursor.js'
import { gapFrame } from './encoding.js'
import type { ChannelHooks } from './hooks.js'
import type { Outlet } from './outlet.js'
import type { PageQuery, SharedPage } from './pages.js'
import type { ReadTurns } from './read-turns.js'
import type { SharedFrame } from './shared-frame.js'
import { SlowReader } from './slow-reader.js'
import type { Subscriber, SubscriptionContext } from './subscriber.js'

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

/**
 * A cursor into a channel's log, on behalf of one connection. It either stands at the head and takes shared buffers, or is
 * behind and reads the log; nothing ever queues up for it here.
 */
export class Subscription extends Cursor implements Behind {
  readonly outlet: Outlet
  /** Whom it is for, as hooks see it. */
  client: ClientInfo
  /** Called when an acknowledgement has moved the cursor. */
  onAcknowledged: ((position: Position) => void) | null = null
  /** Whether it may send. Before that, what arrives is only noted. */
  started = false
  readonly #context: SubscriptionContext
  readonly #topic: Followed
  readonly #slow: SlowReader | null
  #closed = false
  #catchUp: CatchUp | null = null // most are never behind
  #waiters: Set<() => void> | null = null

  /** Sends nothing before `start`. Hears its topic, which must have been joined, until it is closed. */
  constructor (context: SubscriptionContext, topic: Followed, { client, qos, outlet, slow }: Subscriber, start: Start) {
    super(qos, context.window, start)
    this.outlet = outlet
    this.client = client
    this.#context = context
    this.#topic = topic
    this.#slow = slow === 'catch-up' || qos === 0 ? null : new SlowReader(context, slow)
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
    return this.qos > 0 && this.epoch === position.epoch && this.next > position.offset && this.reached(position) === 'pending'
  }

  /** Begins to send: whoever subscribed has been told where it stands. */
  start (): void {
    this.started = true
    this.settle()
  }

  /** A batch that could not just be taken. */
  hear (batch: Batch, frame: SharedFrame, last: boolean): void {
    if (this.#closed) return
    if (this.#jumps) return this.#jump(batch, frame, last)
    this.note(batch)
    if (this.#reading) return
    if (this.#slow === null || this.#open || !this.#slow.miss(this.outlet)) this.settle()
  }

  /** The head of the log, told after the feed was interrupted. */
  hearHead (state: { readonly epoch: string, readonly head: number }): void {
    if (this.#closed) return
    const { epoch, head } = state
    if (this.#jumps) this.#jumpTo(epoch, head, head)
    else this.note({ epoch, from: head, to: head })
    this.settle()
  }

  // At QoS 0 "behind" means: jump, and count what was missed. A batch that overlaps the position is left to the client's cursor.
  #jump (batch: Batch, frame: SharedFrame, last: boolean): void {
    const count = batch.to - batch.from + 1
    if (!this.#jumpTo(batch.epoch, batch.from - 1, batch.to)) return
    if (this.outlet.writable) {
      this.#context.counters.delivered += count
      this.outlet.share(frame, last)
      this.#delivered(batch.from, batch.to)
    } else {
      this.drop(count, 'qos0')
    }
    this.settle()
  }

  // Returns whether it was not there already.
  #jumpTo (epoch: string, missed: number, offset: number): boolean {
    const count = this.jump(epoch, missed, offset)
    if (count !== null && count > 0) this.drop(count, 'qos0')
    return count !== null
  }

  /** Takes a cumulative acknowledgement. One of another epoch or beyond the log's head is ignored and counted. */
  acknowledge (position: Position): void {
    const outcome = this.acknowledgeTo(position)
    if (outcome === 'beyond') this.#context.counters.ignoredAcks++
    // The confirmation of an acknowledgement may have been lost with an earlier connection. [P-4.8]
    if (outcome === 'stale' && this.qos === 2 && this.acknowledged !== null) this.onAcknowledged?.(this.acknowledged)
    if (outcome !== 'advanced') return
    this.onAcknowledged?.(position)
    this.#topic.hooks.ack?.({ channel: this.channel, client: this.client, position })
    this.#notify()
    if (this.ready === -1) this.settle()
  }

  /** Finds out how to go on. To be called whenever something changed that may stand against sending, or no longer does. */
  settle (): void {
    if (this.qos === 0) this.unbind()
    if (this.#slow?.dropping === true && this.#open && !this.#reading && !this.stale) this.#passOver(this.#slow)
    const { caughtUp } = this
    const open = this.#open
    this.ready = open && caughtUp && !this.#reading ? this.next : -1
    this.#slow?.note(caughtUp, this.ready !== -1)
    if (open && !caughtUp) this.#goOn()
  }

  // Reads on from the cursor until caught up. Every page reports the head, so whatever arrives on the feed meanwhile only has to raise `seen`.
  #goOn (): void {
    this.#catchUp ??= new CatchUp(this.#context, this)
    this.#catchUp.go()
  }

  // At QoS 0 what cannot just be taken is passed over, unless the log is read for what came before: it would be lost too.
  get #jumps (): boolean {
    return this.qos === 0 && this.started && this.#catchUp?.busy !== true
  }

  get #reading (): boolean {
    return this.#catchUp !== null && this.#catchUp.reading
  }

  // Whether anything may be sent at all.
  get #open (): boolean {
    return this.started && !this.#closed && this.outlet.writable && this.hasRoom
  }

  // By the channel's policy, what a slow reader did not take is dropped, and told.
  #passOver (slow: SlowReader): void {
    slow.dropping = false
    const { next: from, seen: to } = this
    if (from > to) return
    const count = to - from + 1
    this.drop(count, 'slow')
    this.#lose({ epoch: this.epoch, offset: to }, { reason: 'slow', from, to, count })
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
    const { acknowledged } = this
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
    return { channel: this.channel, wire: this.wire, ...this.ask() }
  }

  take (shared: SharedPage): void {
    if (!this.outlet.writable) return this.reads.turnAway(this) // the room has gone to others meanwhile: what was read is read again
    const { page } = shared
    const { position, gap } = this.compare(page)
    if (gap !== undefined) this.#lose(position, gap)
    if (page.records.length > 0 && page.from === this.next) this.#send(shared)
    else if (page.records.length === 0 && gap === undefined && this.next <= this.seen) throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'the log lags behind its feed')
  }

  #lose (position: Position, gap: Lost): void {
    this.restart(position)
    this.#context.counters.gaps++
    this.outlet.write(gapFrame({ channel: this.wire, ...gap, position }))
    this.#topic.hooks.gap?.({ channel: this.channel, client: this.client, gap: { channel: this.channel, ...gap, position } })
  }

  #send (shared: SharedPage): void {
    for (const { frame, count, from, to } of shared.portions(this.rewound)) {
      if (!this.outlet.writable) return // the rest is read again
      this.#context.counters.delivered += count
      this.outlet.share(frame, false)
      this.pass(to)
      if (count > 0) this.#delivered(from, to)
    }
  }

  #delivered (from: number, to: number): void {
    const { deliver, redeliver } = this.#topic.hooks
    const { channel, client, epoch } = this
    deliver?.({ channel, client, epoch, from, to })
    if (redeliver !== null && from <= this.missed) redeliver({ channel, client, epoch, from, to: Math.min(to, this.missed) })
  }
}
