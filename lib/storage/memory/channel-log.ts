import type { Position, QoS } from '../../../types/message.js'
import type { DraftKey, LogState, Page, PublisherKey, Recognised, Retention, StoredRecord } from '../../../types/storage.js'
import { compact } from '../../core/compact.js'
import type { Budget, Holder } from './budget.js'
import { Deque } from '../deque.js'
import { newEpoch } from '../epoch.js'
import { ExpiringMap, type Expiring } from './expiring-map.js'

/** One slot. Never changed: pages and feed batches hand it out. */
export interface Slot extends StoredRecord {
  /** When it was appended. */
  readonly at: number
  /** When its body goes by the message's own `ttl`; Infinity without one. */
  readonly until: number
}

interface LastSequence extends Expiring {
  sequence: number
  offset: number
}

interface RememberedId extends Expiring {
  readonly fingerprint: string
  readonly offset: number
}

/** How many keys one channel remembers. */
export interface KeyLimits {
  readonly ids: number
  readonly publishers: number
}

/** The log of one channel: its slots and the keys by which repeats are recognised. Synchronous, so each call is atomic. */
export class ChannelLog implements Holder {
  readonly epoch = newEpoch()
  /** Living ids and publishers that were forgotten because there were too many. */
  forgotten = 0
  rank = -1
  readonly #budget: Budget
  readonly #limits: KeyLimits
  // Made when they are first needed: most channels use one of them or none.
  #ids: ExpiringMap<RememberedId> | undefined
  #publishers: ExpiringMap<LastSequence> | undefined
  readonly #slots = new Deque<Slot>()
  #bytes = 0
  #head = 0
  /** No body goes by its message's own `ttl` before this moment. */
  #nextToWither = Infinity
  #retention: Retention = { limit: Infinity, bytes: Infinity, ttl: Infinity }

  constructor (budget: Budget, limits: KeyLimits) {
    this.#budget = budget
    this.#limits = limits
  }

  /** For choosing whom to take from: bytes, and one for each record, so that empty bodies count too. */
  get weight (): number {
    return this.#bytes + this.#slots.length
  }

  get isEmpty (): boolean {
    return this.#slots.length + (this.#ids?.size ?? 0) + (this.#publishers?.size ?? 0) === 0
  }

  state (): LogState {
    return { epoch: this.epoch, head: this.#head, first: this.#first }
  }

  /** Applies a retention from now on. */
  keep (retention: Retention, now: number): void {
    this.#trim(now, 0, 0) // what had its time under the retention until now is gone, whether or not anybody has looked
    this.#retention = retention
    this.#trim(now, 0, 0)
  }

  /** Appends a slot whose body is within all limits. Returns its offset. */
  push (slot: Slot & { readonly body: Uint8Array }): number {
    const size = slot.body.byteLength
    this.#trim(slot.at, 1, size)
    this.#budget.makeRoom(size)
    this.#slots.push(slot)
    this.#grow(size, 1)
    this.#nextToWither = Math.min(this.#nextToWither, slot.until)
    return ++this.#head
  }

  /** The page from `from` on, as the contract of `read` has it. */
  page (query: { from: number, limit: number, bytes: number }, now: number): Page {
    this.#trim(now, 0, 0)
    const from = Math.max(query.from, this.#first)
    const records: Slot[] = []
    let bytes = 0
    for (let offset = from; offset <= this.#head && records.length < query.limit; offset++) {
      const slot = this.#wither(offset - this.#first, now)
      bytes += slot.body?.byteLength ?? 0
      if (bytes > query.bytes && records.length > 0) break
      records.push(slot)
    }
    return { ...this.state(), from, records }
  }

  /** What a message with this key would be: a repeat, a conflict, or `null` for a new one. */
  recognise (key: DraftKey, now: number): Recognised | null {
    const { publisher, id } = key
    const last = publisher && this.#publishers?.get(publisher.id, now)
    if (last !== undefined && publisher !== undefined && publisher.sequence <= last.sequence) {
      return { status: 'duplicate', position: publisher.sequence === last.sequence ? this.#position(last.offset) : null }
    }
    const known = id && this.#ids?.get(id.id, now)
    if (known === undefined || id === undefined) return null
    return known.fingerprint === id.fingerprint
      ? { status: 'duplicate', position: this.#position(known.offset) }
      : { status: 'conflict' }
  }

  /** Remembers the key of the message stored at `offset`, each part for its time from now. */
  remember ({ publisher, id }: DraftKey, offset: number, now: number): void {
    if (publisher !== undefined) this.#lastSequence(publisher, offset, now)
    if (id === undefined) return
    const { fingerprint } = id
    this.#ids ??= new ExpiringMap(this.#limits.ids)
    if (this.#ids.add(id.id, { fingerprint, offset, until: now + id.ttl }, now)) this.forgotten++
  }

  /** Remembers the key of a repeat anew; by its id it may be a later message of the publisher. */
  refresh ({ publisher, id }: DraftKey, position: Position | null, now: number): void {
    if (publisher !== undefined) this.#lastSequence(publisher, position?.offset ?? 0, now)
    const known = id && this.#ids?.get(id.id, now)
    if (known !== undefined && known.fingerprint === id?.fingerprint) known.until = Math.max(known.until, now + id.ttl)
  }

  /** Takes the oldest record off. */
  dropOldest (): void {
    const slot = this.#slots.shift()
    if (slot !== undefined) this.#grow(-(slot.body?.byteLength ?? 0), -1)
  }

  /** Drops what has had its time; yields after each item, so that the work can be spread. */
  * sweep (now: () => number): Generator<void, void> {
    this.#trim(now(), 0, 0)
    if (now() >= this.#nextToWither) yield * this.#witherAll(now)
    if (this.#ids !== undefined) yield * this.#ids.sweep(now)
    if (this.#publishers !== undefined) yield * this.#publishers.sweep(now)
  }

  #lastSequence ({ id, sequence, ttl }: PublisherKey, offset: number, now: number): void {
    this.#publishers ??= new ExpiringMap(this.#limits.publishers)
    const last = this.#publishers.get(id, now)
    if (last === undefined) {
      if (this.#publishers.add(id, { sequence, offset, until: now + ttl }, now)) this.forgotten++
      return
    }
    if (sequence > last.sequence) {
      last.sequence = sequence
      last.offset = offset
    }
    last.until = Math.max(last.until, now + ttl)
    this.#publishers.renew(id, last, now)
  }

  get #first (): number {
    return this.#head - this.#slots.length + 1
  }

  #position (offset: number): Position {
    return { epoch: this.epoch, offset }
  }

  /** Trims to the retention, leaving room for what is about to come. */
  #trim (now: number, records: number, bytes: number): void {
    const { limit, bytes: most, ttl } = this.#retention
    for (let oldest = this.#slots.at(0); oldest !== undefined; oldest = this.#slots.at(0)) {
      const kept = now - oldest.at < ttl && this.#slots.length + records <= limit && this.#bytes + bytes <= most
      if (kept) return
      this.dropOldest()
    }
  }

  /** The slot at `index`, without its body if the message's own time is over. */
  #wither (index: number, now: number): Slot {
    const slot = this.#slots.at(index) as Slot
    if (now < slot.until || slot.body === null) return slot
    const withered = { ...slot, body: null }
    this.#slots.replace(index, withered)
    this.#grow(-slot.body.byteLength, 0)
    return withered
  }

  * #witherAll (now: () => number): Generator<void, void> {
    this.#nextToWither = Infinity
    for (let offset = this.#first; offset <= this.#head; offset = Math.max(offset + 1, this.#first)) {
      const { body, until } = this.#wither(offset - this.#first, now())
      if (body !== null) this.#nextToWither = Math.min(this.#nextToWither, until)
      yield
    }
  }

  #grow (bytes: number, records: number): void {
    this.#bytes += bytes
    this.#budget.changed(this, bytes, records)
  }
}

/** What a slot stores of a message's qos, body and ttl. */
export function slotOf (body: Uint8Array, qos: QoS, ttl: number | undefined, now: number): Slot & { readonly body: Uint8Array } {
  return { body: compact(body), qos, at: now, until: ttl === undefined ? Infinity : now + ttl }
}
