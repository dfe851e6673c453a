import type { Clock } from '../core/clock.js'

/** How long the timer waits at the most, in milliseconds: a clock that was set anew is seen by then. */
const LOOK = 30_000

/** What ends at a time. */
export interface Expiring {
  /** Called once, at its time or later, never before. Must not throw. */
  expire (): void
}

/** Something that waits for its time. */
export interface Deadline {
  readonly at: number
  readonly expiring: Expiring
  /** Its place in the heap; -1 once it is in none. */
  place: number
}

/** Everything of one kind that expires: one timer for all, and nothing to do for those whose time is far. */
export class Expiry {
  readonly #clock: Clock
  readonly #read: () => number
  /** A binary heap: each is no later than the two below it. */
  readonly #heap: Deadline[] = []
  #stop: (() => void) | null = null
  /** When the timer fires, as `read` tells time. */
  #wakeAt = Infinity

  /** `read`: the clock's `now` or `timestamp`, whichever the times are of. */
  constructor (clock: Clock, read: () => number) {
    this.#clock = clock
    this.#read = read
  }

  /** How many wait. */
  get size (): number {
    return this.#heap.length
  }

  /** Lets something expire `at` a time. */
  add (at: number, expiring: Expiring): Deadline {
    const deadline: Deadline = { at, expiring, place: this.#heap.length }
    this.#heap.push(deadline)
    this.#up(deadline)
    if (deadline.place === 0) this.#wait()
    return deadline
  }

  /** It need not expire any more. */
  remove (deadline: Deadline): void {
    const { place } = deadline
    if (place === -1) return
    deadline.place = -1
    const last = this.#heap.pop() as Deadline
    if (last !== deadline) {
      this.#put(last, place)
      this.#up(last)
      this.#down(last)
    }
    if (this.#heap.length === 0) this.#rest()
  }

  /** Lets everything expire whose time has come. The timer does so; whoever must not act after such a time calls it first. */
  look (): void {
    const now = this.#read()
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.remove(first)
      first.expiring.expire()
    }
  }

  #wait (): void {
    const first = this.#heap[0] as Deadline
    const now = this.#read()
    // One that waits for an earlier time only looks once more than it would have to.
    if (this.#stop !== null && this.#wakeAt <= first.at && this.#wakeAt >= now) return
    this.#rest()
    const ms = Math.min(LOOK, Math.max(1, Math.ceil(first.at - now)))
    this.#wakeAt = now + ms
    this.#stop = this.#clock.after(ms, () => {
      this.#stop = null
      this.look()
      if (this.#heap.length > 0) this.#wait()
    })
  }

  #rest (): void {
    this.#stop?.()
    this.#stop = null
  }

  #put (deadline: Deadline, place: number): void {
    deadline.place = place
    this.#heap[place] = deadline
  }

  #up (deadline: Deadline): void {
    for (;;) {
      const above = this.#heap[(deadline.place - 1) >> 1]
      if (deadline.place === 0 || above === undefined || above.at <= deadline.at) return
      this.#swap(deadline, above)
    }
  }

  #down (deadline: Deadline): void {
    for (;;) {
      const left = this.#heap[2 * deadline.place + 1]
      const right = this.#heap[2 * deadline.place + 2]
      const least = right !== undefined && left !== undefined && right.at < left.at ? right : left
      if (least === undefined || deadline.at <= least.at) return
      this.#swap(deadline, least)
    }
  }

  #swap (one: Deadline, other: Deadline): void {
    const { place } = one
    this.#put(one, other.place)
    this.#put(other, place)
  }
}
