import type { Gap, Message, Position } from '../../types/message.js'
import type { Clock } from '../core/clock.js'
import { isThenable } from './emitter.js'
import type { HandlerPolicy } from './options.js'

/** A handler's delay doubles up to this, or stays at its own if that is longer. Milliseconds. */
const LONGEST_DELAY = 60_000

/** A function that was given to `subscribe`. */
export interface HandlerEntry {
  readonly handler: (message: Message) => unknown
  readonly policy: HandlerPolicy
  /** An iterator: how long it works on a message is up to whoever asks it for the next one. */
  readonly isPulled?: boolean
}

/** A step of a subscription, in its order: a message, or a mere move of the cursor. */
export interface Delivery {
  readonly message: Message | null
  /** Where the subscription stands once this is settled; `null` for what has no place in the log. */
  readonly position: Position | null
  /** Tells deliveries from those before the subscription was set back, whose positions count no more. */
  readonly era: number
  readonly gap?: Gap | undefined
  /** For this handler alone. */
  readonly only?: HandlerEntry
}

export interface DeliveryEvents {
  /** All handlers have settled. */
  settled (delivery: Delivery): void
  /** A handler failed too often; the message counts as handled. */
  failed (delivery: Delivery, error: unknown): void
}

/**
 * Hands the messages of one channel over: one after the other, each to all handlers, the next once all have settled. A handler
 * that returns no promise costs none. One that fails gets the message again after a delay; the others do not.
 */
export class DeliveryQueue {
  readonly #clock: Clock
  readonly #events: DeliveryEvents
  #items: Delivery[] = []
  #head = 0
  #entries: readonly HandlerEntry[] = []
  /** Who still works on the present delivery. */
  readonly #working = new Set<HandlerEntry>()
  readonly #retries = new Map<HandlerEntry, () => void>()
  #current: Delivery | null = null
  #pauses = 0
  #pumping = false

  constructor (clock: Clock, events: DeliveryEvents) {
    this.#clock = clock
    this.#events = events
  }

  /** What handlers work on now. */
  get current (): Delivery | null {
    return this.#current
  }

  /** Whether handlers work on a message that they will settle by themselves. */
  get busy (): boolean {
    return [...this.#working].some(({ isPulled }) => isPulled !== true)
  }

  /** Deliveries that wait. */
  get length (): number {
    return this.#items.length - this.#head
  }

  add (entry: HandlerEntry): void {
    this.#entries = [...this.#entries, entry]
  }

  /** Takes a handler out; what it has not settled is settled for it. */
  remove (entry: HandlerEntry): void {
    this.#entries = this.#entries.filter((each) => each !== entry)
    this.#finish(entry)
  }

  push (delivery: Delivery): void {
    this.#items.push(delivery)
    this.#pump()
  }

  /** Puts deliveries before those that wait. */
  unshift (deliveries: readonly Delivery[]): void {
    this.#items = [...deliveries, ...this.#items.slice(this.#head)]
    this.#head = 0
    this.#pump()
  }

  /** Hands nothing more over until {@link DeliveryQueue.resume} was called as often. */
  pause (): void {
    this.#pauses++
  }

  resume (): void {
    this.#pauses--
    this.#pump()
  }

  /** Hands nothing more over for good, and forgets as {@link DeliveryQueue.forget} does. */
  stop (): void {
    this.pause()
    this.forget()
  }

  /** Forgets what waits. A message that was to be tried again stays unsettled, and so unacknowledged; handlers at work may still settle theirs. */
  forget (): void {
    this.#items = []
    this.#head = 0
    if (this.#retries.size === 0) return
    for (const release of this.#retries.values()) release()
    this.#retries.clear()
    this.#working.clear()
    this.#current = null
  }

  #pump (): void {
    if (this.#pumping) return
    this.#pumping = true
    while (this.#current === null && this.#pauses === 0 && this.#head < this.#items.length) {
      const delivery = this.#items[this.#head++] as Delivery
      if (this.#head === this.#items.length) {
        this.#items = []
        this.#head = 0
      }
      this.#give(delivery)
    }
    this.#pumping = false
  }

  #give (delivery: Delivery): void {
    this.#current = delivery
    const entries = delivery.only === undefined ? this.#entries : this.#entries.filter((entry) => entry === delivery.only)
    if (delivery.message === null || entries.length === 0) return this.#settle()
    for (const entry of entries) this.#working.add(entry)
    for (const entry of entries) {
      // An earlier handler may just have taken this one out.
      if (this.#working.has(entry)) this.#hand(delivery, delivery.message, entry, 1)
    }
  }

  #hand (delivery: Delivery, message: Message, entry: HandlerEntry, attempt: number): void {
    try {
      const result = entry.handler(message)
      if (!isThenable(result)) return this.#finish(entry)
      Promise.resolve(result).then(
        () => this.#finish(entry),
        (error) => this.#failed(delivery, message, entry, attempt, error))
    } catch (error) {
      this.#failed(delivery, message, entry, attempt, error)
    }
  }

  #failed (delivery: Delivery, message: Message, entry: HandlerEntry, attempt: number, error: unknown): void {
    if (!this.#working.has(entry)) return // taken out meanwhile
    if (attempt >= entry.policy.tries) {
      this.#events.failed(delivery, error)
      return this.#finish(entry)
    }
    const delay = Math.min(entry.policy.delay * 2 ** (attempt - 1), Math.max(entry.policy.delay, LONGEST_DELAY))
    this.#retries.set(entry, this.#clock.after(delay, () => {
      this.#retries.delete(entry)
      this.#hand(delivery, message, entry, attempt + 1)
    }))
  }

  #finish (entry: HandlerEntry): void {
    this.#retries.get(entry)?.()
    this.#retries.delete(entry)
    if (this.#working.delete(entry) && this.#working.size === 0) this.#settle()
  }

  #settle (): void {
    const delivery = this.#current as Delivery
    this.#current = null
    this.#events.settled(delivery)
    this.#pump()
  }
}
