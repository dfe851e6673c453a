import { LargestFirst, type Weighted } from './largest.js'

/** What all logs together may hold. */
export interface BudgetLimits {
  /** Bytes of bodies. */
  readonly bytes: number
  readonly records: number
}

/** A log, as far as the budget knows it. */
export interface Holder extends Weighted {
  /** Takes the oldest record off. */
  dropOldest (): void
}

/**
 * Counts what all logs together hold, and makes room by taking the oldest record from the largest of them.
 */
export class Budget {
  readonly limits: BudgetLimits
  bytes = 0
  records = 0
  /** Bytes of `bytes` that cannot be taken from whoever holds them. */
  reserved = 0
  /** Records taken for want of room, which their own channel would have kept. */
  evicted = 0
  #largest = new LargestFirst<Holder>()

  constructor (limits: BudgetLimits) {
    this.limits = limits
  }

  /** The most that a record's body may have. */
  get room (): number {
    return this.limits.bytes - this.reserved
  }

  /** Takes bytes that stay until they are given back, as a negative number. Returns whether there is room for them: at least half of all is left to the logs. */
  reserve (bytes: number): boolean {
    if (bytes > 0 && this.reserved + bytes > this.limits.bytes / 2) return false
    this.reserved += bytes
    this.bytes += bytes
    while (this.bytes > this.limits.bytes && this.#dropOne());
    return true
  }

  /** Makes room for one more record with a body of `bytes`, which is at most {@link Budget.room}. */
  makeRoom (bytes: number): void {
    while (this.bytes + bytes > this.limits.bytes || this.records + 1 > this.limits.records) {
      if (!this.#dropOne()) return
    }
  }

  #dropOne (): boolean {
    const largest = this.#largest.first
    if (largest === undefined) return false
    largest.dropOldest()
    this.evicted++
    return true
  }

  /** A log holds so much more, or less. */
  changed (log: Holder, bytes: number, records: number): void {
    this.bytes += bytes
    this.records += records
    this.#largest.update(log)
  }

  /** Lets go of every log. */
  clear (): void {
    this.bytes = this.records = this.reserved = 0
    this.#largest = new LargestFirst()
  }
}
