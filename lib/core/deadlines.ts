import type { Clock } from './clock.js'

interface Deadline<Item> {
  readonly at: number
  readonly item: Item
}

/** Many moments, one timer: a binary heap by time. Moments of the same time come in no particular order. */
export class Deadlines<Item> {
  readonly #clock: Clock
  readonly #due: (item: Item) => void
  readonly #heap: Deadline<Item>[] = []
  #timer: { readonly at: number, readonly cancel: () => void } | null = null

  /** `due` is called for each item once its moment has come. It must not throw. */
  constructor (clock: Clock, due: (item: Item) => void) {
    this.#clock = clock
    this.#due = due
  }

  /** Moments that are to come. */
  get size (): number {
    return this.#heap.length
  }

  /** Notes a moment of the clock, in its milliseconds. */
  add (at: number, item: Item): void {
    const heap = this.#heap
    let i = heap.push({ at, item }) - 1
    for (let parent = (i - 1) >> 1; i > 0 && this.#at(parent) > at; parent = (i - 1) >> 1) {
      this.#swap(i, parent)
      i = parent
    }
    this.#wait()
  }

  /** Forgets them all. */
  clear (): void {
    this.#heap.length = 0
    this.#wait()
  }

  #at (i: number): number {
    return this.#heap[i]?.at ?? Infinity
  }

  #swap (i: number, j: number): void {
    const heap = this.#heap as [Deadline<Item>]
    const kept = heap[i as 0]
    heap[i as 0] = heap[j as 0]
    heap[j as 0] = kept
  }

  // The timer is for the earliest of all.
  #wait (): void {
    const at = this.#at(0)
    if (this.#timer?.at === at) return
    this.#timer?.cancel()
    this.#timer = at === Infinity ? null : { at, cancel: this.#clock.after(Math.max(at - this.#clock.now(), 0), () => this.#ring()) }
  }

  #ring (): void {
    this.#timer = null
    const now = this.#clock.now()
    while (this.#at(0) <= now) this.#due(this.#take())
    this.#wait()
  }

  #take (): Item {
    const [{ item }] = this.#heap as [Deadline<Item>]
    const last = this.#heap.pop() as Deadline<Item>
    if (this.#heap.length > 0) {
      this.#heap[0] = last
      this.#sink()
    }
    return item
  }

  #sink (): void {
    for (let i = 0; ;) {
      const left = 2 * i + 1
      const least = this.#at(left + 1) < this.#at(left) ? left + 1 : left
      if (this.#at(least) >= this.#at(i)) return
      this.#swap(i, least)
      i = least
    }
  }
}
