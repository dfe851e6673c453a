import type { Position, QoS } from '../../types/message.js'
import type { Page } from '../../types/storage.js'
import { resume, type Resumption } from '../core/position.js'
import { InflightWindow, type Acknowledged } from '../core/window.js'
import type { Batch } from './batch.js'
import type { PageQuery } from './pages.js'

/** Most records read at once when catching up. */
const PAGE_RECORDS = 128

/** The window at QoS 0: far away, and a small integer to V8. */
const UNBOUNDED = 2 ** 30

/** What a cursor will miss. */
export type Lost = NonNullable<Resumption['gap']>

/** Where a cursor starts. */
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
}

/**
 * Where a subscription stands in its channel's log: what was sent, what was heard of, what is acknowledged. A base and no part of
 * subscriptions, so that all that a message has to look at is in one object.
 */
export class Cursor {
  readonly qos: QoS
  /** Whether nobody knew a position: it started where it wanted to. */
  readonly fresh: boolean
  /** Where it started. */
  readonly since: Position
  epoch: string
  /** The offset that a shared buffer must begin with to be taken as it is; -1 while it cannot be. */
  ready = -1
  /** The highest offset that may be in flight: the window's. */
  limit: number
  readonly #window: InflightWindow
  #acknowledged: Position | null
  /** The next offset to send. */
  #next: number
  /** The highest offset heard of. */
  #seen: number
  /** What was heard last of another epoch: the log may have got a new one. */
  #other: Batch | null = null
  /** Of which other epoch it had heard when it asked for the page that is on its way. */
  #asked: string | null = null
  /** Up to here a QoS 0 record is sent even when read from the log: the subscriber asked for it. */
  protected readonly rewound: number
  /** Up to here, in the epoch it started in, is what came before it was back. */
  protected missed: number

  constructor (qos: QoS, window: number, start: Start) {
    this.qos = qos
    this.fresh = start.fresh
    this.since = start.position
    this.epoch = start.position.epoch
    this.#next = start.position.offset + 1
    this.#seen = start.head
    this.rewound = start.rewound ? start.head : 0
    this.missed = start.fresh ? 0 : start.head
    this.#acknowledged = start.acknowledged
    const acknowledged = start.acknowledged?.epoch === this.epoch ? start.acknowledged.offset : -1
    this.#window = new InflightWindow(qos === 0 ? UNBOUNDED : window, start.position.offset, acknowledged)
    this.limit = this.#window.limit
  }

  /** What the client has acknowledged last, in whichever epoch; `null` while nothing is known. */
  get acknowledged (): Position | null {
    return this.#acknowledged
  }

  /** The next offset to send. */
  protected get next (): number {
    return this.#next
  }

  /** The highest offset heard of. */
  protected get seen (): number {
    return this.#seen
  }

  /** Whether the log may have got a new epoch. */
  protected get stale (): boolean {
    return this.#other !== null
  }

  /** Whether everything heard of was sent. */
  protected get caughtUp (): boolean {
    return this.#next > this.#seen && this.#other === null
  }

  /** Whether the window lets the next one go. */
  protected get hasRoom (): boolean {
    return this.#next <= this.limit
  }

  /** A shared buffer up to `to` goes out. */
  advance (to: number): void {
    this.#next = to + 1
    if (to > this.#seen) this.#seen = to
    this.ready = this.#next <= this.limit ? this.#next : -1
  }

  /** Notes how far the log reaches. */
  protected note (batch: Batch): void {
    if (batch.epoch !== this.epoch) this.#noteOther(batch)
    else if (batch.to > this.#seen) this.#seen = batch.to
  }

  #noteOther (batch: Batch): void {
    if (this.#other?.epoch !== batch.epoch || batch.to > this.#other.to) this.#other = batch
  }

  /** Moves by a cumulative acknowledgement. */
  protected acknowledgeTo (position: Position): Acknowledged {
    const outcome = position.epoch === this.epoch ? this.#window.acknowledge(position.offset, this.#seen) : 'beyond'
    if (outcome !== 'advanced') return outcome
    this.limit = this.#window.limit
    this.#acknowledged = position
    // Within the head but not sent here: the client had it on an earlier connection.
    if (position.offset >= this.#next) this.#next = position.offset + 1
    return outcome
  }

  /** Goes past a part of a page. */
  protected pass (to: number): void {
    this.#next = to + 1
  }

  /** Lets the window go along: at QoS 0 nothing is acknowledged. */
  protected unbind (): void {
    this.#window.skip(this.#next - 1)
    this.limit = this.#window.limit
  }

  /** Stands at `offset` from now on, having missed everything up to `missed`. Returns how many those are, or `null` if it is there already. */
  protected jump (epoch: string, missed: number, offset: number): number | null {
    const isSame = epoch === this.epoch
    if (isSame && offset < this.#next) return null
    const count = isSame ? Math.max(missed + 1 - this.#next, 0) : 0
    this.#enter(epoch)
    this.#seen = offset
    this.#next = offset + 1
    return count
  }

  /** Goes on after `position`: what lies before it is lost. */
  protected restart (position: Position): void {
    if (position.epoch === this.epoch) this.#window.skip(position.offset)
    else this.#window.reset(position.offset, -1)
    this.limit = this.#window.limit
    this.#enter(position.epoch)
    this.#next = position.offset + 1
  }

  #enter (epoch: string): void {
    if (epoch !== this.epoch) this.missed = 0
    this.epoch = epoch
  }

  /** What to read next, from now on. */
  protected ask (): Pick<PageQuery, 'epoch' | 'other' | 'from' | 'limit'> {
    const room = Math.min(PAGE_RECORDS, this.#window.room(this.#next - 1))
    // By powers of two, so that those who stand in the same place read the same page, whatever room each of them has.
    const other = this.#asked = this.#other?.epoch ?? null
    return { epoch: this.epoch, other, from: this.#next, limit: 2 ** Math.floor(Math.log2(room)) }
  }

  /** Notes what a page says of its log. Returns where that lets the cursor go on. */
  protected compare (page: Page): Resumption {
    const resumption = resume({ epoch: this.epoch, offset: this.#next - 1 }, page)
    const { gap } = resumption
    this.#seen = gap === undefined || gap.reason === 'retention' ? Math.max(this.#seen, page.head) : page.head
    // What came while the page was on its way.
    if (this.#other?.epoch === page.epoch) this.#seen = Math.max(this.#seen, this.#other.to)
    // What was heard of after the page was asked for still holds: the page may be older.
    const isOver = this.epoch === page.epoch && this.#other?.epoch === this.#asked
    if (this.#other?.epoch === page.epoch || isOver) this.#other = null
    return resumption
  }
}
