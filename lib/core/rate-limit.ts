import type { Clock } from './clock.js'

/**
 * A rate that may be exceeded for a moment: a bucket that holds one second's worth and refills with time. Taking is an addition and
 * a comparison; the clock is asked only when the bucket is empty. So whoever was silent may take two seconds' worth at once: the full bucket,
 * and the one that has refilled meanwhile.
 */
export class RateLimit {
  readonly #perSecond: number
  readonly #clock: Clock
  #left: number
  /** When `#left` was last made up to date. */
  #at: number

  /** `perSecond`: how much may be taken in the long run. */
  constructor (perSecond: number, clock: Clock) {
    this.#perSecond = perSecond
    this.#clock = clock
    this.#left = perSecond
    this.#at = clock.now()
  }

  /** Takes `amount`, even if there is not as much. Returns the milliseconds until what was taken too much is made up for; 0 within the rate. */
  take (amount: number): number {
    this.#left -= amount
    return this.#left >= 0 ? 0 : this.owed
  }

  /** Milliseconds until what was taken too much is made up for; 0 if nothing was. */
  get owed (): number {
    const now = this.#clock.now()
    this.#left = Math.min(this.#perSecond, this.#left + (now - this.#at) / 1000 * this.#perSecond)
    this.#at = now
    return this.#left >= 0 ? 0 : -this.#left / this.#perSecond * 1000
  }
}
