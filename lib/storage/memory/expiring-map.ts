/** Something that lives until a moment of its storage's clock. */
export interface Expiring {
  /** The first moment at which it is gone. */
  until: number
  /** When it was last made the newest. Kept by the map. */
  renewedAt?: number
}

/** How exactly the order of age is kept, in milliseconds: to move an entry costs more than to find it. */
const ORDER = 1000

/**
 * A map whose entries expire, and of which the oldest is forgotten when there are more than `limit`.
 */
export class ExpiringMap<Value extends Expiring> {
  readonly #limit: number
  readonly #entries = new Map<string, Value>()
  // All live entries are ahead of this iterator, because what it passes is deleted. A fresh one would have to
  // step over every deleted entry before it each time.
  #oldest: Iterator<string> | undefined

  constructor (limit = Infinity) {
    this.#limit = limit
  }

  /** Entries, including some that have expired and are not swept yet. */
  get size (): number {
    return this.#entries.size
  }

  /** The entry, if it lives. */
  get (key: string, now: number): Value | undefined {
    const value = this.#entries.get(key)
    return value !== undefined && now < value.until ? value : undefined
  }

  /** The entries that live. */
  * living (now: number): Generator<[string, Value], void> {
    for (const entry of this.#entries) if (now < entry[1].until) yield entry
  }

  /** Adds an entry as the newest. Returns whether a living one had to be forgotten for it. */
  add (key: string, value: Value, now: number): boolean {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    value.renewedAt = now
    return this.#entries.size > this.#limit && this.#forgetOldest(now)
  }

  /** Makes a living entry the newest, or nearly so. */
  renew (key: string, value: Value, now: number): void {
    if (now - (value.renewedAt ?? -Infinity) > ORDER) this.add(key, value, now)
  }

  delete (key: string): void {
    this.#entries.delete(key)
  }

  clear (): void {
    this.#entries.clear()
    this.#oldest = undefined
  }

  /** Drops what has expired; yields after each entry, so that the work can be spread. `now` tells the time at each step. */
  * sweep (now: () => number): Generator<void, void> {
    let left = this.#entries.size // those added meanwhile are for the next sweep, or this one might never end
    for (const [key, value] of this.#entries) {
      if (left-- === 0) return
      if (now() >= value.until) this.#entries.delete(key)
      yield
    }
  }

  #forgetOldest (now: number): boolean {
    this.#oldest ??= this.#entries.keys()
    const key = this.#oldest.next().value as string
    const alive = this.get(key, now) !== undefined
    this.#entries.delete(key)
    return alive
  }
}
