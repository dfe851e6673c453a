import type { Clock } from '../core/clock.js'

/**
 * Items that each wait for one of a few durations. One timer for all of them; to add one and to take one out costs the same however many
 * there are, because those that wait equally long are due in the order in which they came.
 */
export class Graces<Item extends object> {
  readonly #clock: Clock
  readonly #over: (item: Item) => void
  readonly #queues = new Map<number, Map<Item, number>>()
  #stop: (() => void) | null = null
  #wakes = Infinity

  /** `over` is told of each item whose time is over, and must not throw. */
  constructor (clock: Clock, over: (item: Item) => void) {
    this.#clock = clock
    this.#over = over
  }

  get size (): number {
    let size = 0
    for (const queue of this.#queues.values()) size += queue.size
    return size
  }

  /** Lets an item wait for `ms`. */
  add (item: Item, ms: number): void {
    let queue = this.#queues.get(ms)
    if (queue === undefined) this.#queues.set(ms, queue = new Map())
    const due = this.#clock.now() + ms
    queue.set(item, due)
    if (due < this.#wakes) this.#wake(due)
  }

  /** Takes an item out that waits for `ms`. Returns whether it did. */
  delete (item: Item, ms: number): boolean {
    const queue = this.#queues.get(ms)
    if (queue === undefined || !queue.delete(item)) return false
    if (queue.size === 0) this.#queues.delete(ms)
    if (this.#queues.size === 0) this.clear()
    return true
  }

  /** Forgets all. */
  clear (): void {
    this.#queues.clear()
    this.#stop?.()
    this.#stop = null
    this.#wakes = Infinity
  }

  #wake (due: number): void {
    this.#stop?.()
    this.#wakes = due
    this.#stop = this.#clock.after(due - this.#clock.now(), () => this.#look())
  }

  #look (): void {
    this.#wakes = Infinity
    this.#stop = null
    const now = this.#clock.now()
    let next = Infinity
    const over: Item[] = []
    for (const [ms, queue] of this.#queues) {
      for (const [item, due] of queue) {
        if (due > now) {
          next = Math.min(next, due)
          break
        }
        queue.delete(item)
        over.push(item)
      }
      if (queue.size === 0) this.#queues.delete(ms)
    }
    if (next < Infinity) this.#wake(next)
    for (const item of over) this.#over(item)
  }
}
