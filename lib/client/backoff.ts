/** How a client comes back. Milliseconds. */
export interface BackoffOptions {
  /** Added to every retry but the first. Default 100. */
  readonly min: number
  /** The bound of the first retry's random part; it doubles with each. Default 500. */
  readonly base: number
  /** The greatest bound. Default 20,000. */
  readonly max: number
}

/** Least time over which clients spread that lost a live link. */
const LEAST_SPREAD = 250

/**
 * Delays with full jitter: every client draws its moment from the whole range, so that many of them that
 * lost the same server do not come back together.
 */
export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: () => number
  #retries = 0
  #fresh = true

  constructor (options: BackoffOptions, random: () => number) {
    this.#options = options
    this.#random = random
  }

  /** After a live link was lost: at first a moment within `spread` (what the server announced), then as {@link Backoff.next}. */
  afterLive (spread: number): number {
    if (!this.#fresh) return this.next()
    this.#fresh = false
    return this.#random() * Math.max(LEAST_SPREAD, spread)
  }

  /** After a failed attempt: `min` and a random part whose bound doubles each time. */
  next (): number {
    const { min, base, max } = this.#options
    this.#fresh = false
    // The exponent is bounded before the power is, so that years of retries do not overflow.
    const bound = Math.min(max, base * 2 ** Math.min(this.#retries++, 30))
    return min + this.#random() * bound
  }

  /** A moment between two bounds. */
  within (from: number, to: number): number {
    return from + this.#random() * Math.max(0, to - from)
  }

  /** Starts over: a link has been live for long, or there is reason to believe that things changed. */
  reset (): void {
    this.#retries = 0
    this.#fresh = true
  }
}
