import type { Clock } from '../core/clock.js'

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/**
 * A clock that stands still until it is told to go on.
 */
export class ManualClock implements Clock {
  readonly #timers = new Set<Timer>()
  #now = 0
  #timestamp: number

  /** `timestamp`: what the wall clock shows at first, in milliseconds since 1970. */
  constructor (timestamp = 1_700_000_000_000) {
    this.#timestamp = timestamp
  }

  now (): number {
    return this.#now
  }

  timestamp (): number {
    return this.#timestamp
  }

  after (ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), callback }
    this.#timers.add(timer)
    return () => { this.#timers.delete(timer) }
  }

  /** Timers that wait. For a test that nothing is left behind. */
  get pending (): number {
    return this.#timers.size
  }

  /** Goes on by `ms` milliseconds. Timers that fall due run in order, each at its own time, also those set on the way. */
  advance (ms: number): void {
    const end = this.#now + ms
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) this.#run(next)
    this.#moveTo(end)
  }

  /** The same, and lets promises settle before the first timer and after each one. */
  async advanceAsync (ms: number): Promise<void> {
    const end = this.#now + ms
    await settled()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#run(next)
      await settled()
    }
    this.#moveTo(end)
  }

  /** The timer that is due first, until `end`; of equal ones the one set first. */
  #next (end: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.at <= end && (first === undefined || timer.at < first.at)) first = timer
    }
    return first
  }

  #run (timer: Timer): void {
    this.#timers.delete(timer)
    this.#moveTo(timer.at)
    timer.callback()
  }

  #moveTo (now: number): void {
    this.#timestamp += Math.max(0, now - this.#now)
    this.#now = Math.max(this.#now, now)
  }
}

/** Resolves when every promise that can settle without outside help has. */
function settled (): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}
