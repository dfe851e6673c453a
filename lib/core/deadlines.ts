import type { Clock } from './clock.js'

/** How long the timer waits at the most for moments of the wall clock, in milliseconds: one that was set anew is seen by then. */
const LOOK = 30_000

/** An item that waits for its moment. */
export interface Deadline<Item> {
  readonly at: number
  readonly item: Item
  /** How many were added before it. */
  readonly number: number
  /** Where in the heap it is, or was. */
  place: number
}

/**
 * Items that each wait for a moment: a binary heap, and one timer for all of them. To add one and to take one out costs the logarithm of
 * how many there are. Each is due at its moment or later, never before; of the same moment, the one that was added first is first.
 */
export class Deadlines<Item> {
  readonly #clock: Clock
  readonly #due: (item: Item) => void
  readonly #time: 'now' | 'timestamp'
  readonly #heap: Deadline<Item>[] = []
  #added = 0
  #stop: (() => void) | null = null
  /** When the timer fires, if the clock is not set anew. */
  #wakeAt = Infinity

  /** `due` is called for each item once its moment has come. It must not throw. `time`: which of the clock's times the moments are of. */
  constructor (clock: Clock, due: (item: Item) => void, time: 'now' | 'timestamp' = 'now') {
    this.#clock = clock
    this.#due = due
    this.#time = time
  }

  /** How many wait. */
  get size (): number {
    return this.#heap.length
  }

  /** Lets an item wait for a moment, in the clock's milliseconds. */
  add (at: number, item: Item): Deadline<Item> {
    const deadline = { at, item, number: this.#added++, place: this.#heap.length }
    this.#heap.push(deadline)
    this.#up(deadline)
    if (deadline.place === 0) this.#wait(deadline)
    return deadline
  }

  /** It need not wait any more. Returns whether it did. */
  delete (deadline: Deadline<Item>): boolean {
    if (!this.#remove(deadline)) return false
    if (this.#heap.length === 0) this.#rest()
    return true
  }

  /** Forgets them all. */
  clear (): void {
    this.#heap.length = 0
    this.#rest()
  }

  #wait (first: Deadline<Item>): void {
    const now = this.#clock[this.#time]()
    // A timer that fires too early only looks once more than it would have to.
    if (this.#stop !== null && this.#wakeAt <= first.at && this.#wakeAt >= now) return
    this.#rest()
    const ms = Math.min(this.#time === 'now' ? Infinity : LOOK, Math.max(0, Math.ceil(first.at - now)))
    this.#wakeAt = now + ms
    this.#stop = this.#clock.after(ms, () => this.#look())
  }

  #rest (): void {
    this.#stop?.()
    this.#stop = null
  }

  #look (): void {
    this.#stop = null
    const now = this.#clock[this.#time]()
    let first = this.#heap[0]
    for (; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#remove(first)
      this.#due(first.item)
    }
    if (first !== undefined) this.#wait(first)
  }

  #remove (deadline: Deadline<Item>): boolean {
    const { place } = deadline
    if (this.#heap[place] !== deadline) return false
    const last = this.#heap.pop() as Deadline<Item>
    if (last === deadline) return true
    this.#put(last, place)
    this.#up(last)
    this.#down(last)
    return true
  }

  #put (deadline: Deadline<Item>, place: number): void {
    deadline.place = place
    this.#heap[place] = deadline
  }

  #up (deadline: Deadline<Item>): void {
    while (deadline.place > 0) {
      const above = this.#heap[(deadline.place - 1) >> 1] as Deadline<Item>
      if (isBefore(above, deadline)) return
      this.#swap(deadline, above)
    }
  }

  #down (deadline: Deadline<Item>): void {
    for (;;) {
      const left = this.#heap[2 * deadline.place + 1]
      const right = this.#heap[2 * deadline.place + 2]
      const least = left !== undefined && right !== undefined && isBefore(right, left) ? right : left
      if (least === undefined || isBefore(deadline, least)) return
      this.#swap(deadline, least)
    }
  }

  #swap (one: Deadline<Item>, other: Deadline<Item>): void {
    const { place } = one
    this.#put(one, other.place)
    this.#put(other, place)
  }
}

function isBefore (one: Deadline<unknown>, other: Deadline<unknown>): boolean {
  return one.at < other.at || (one.at === other.at && one.number < other.number)
}
