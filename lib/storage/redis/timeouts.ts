/**
 * Items that wait, each for the same time at the most. Who came first is due first, so adding one and taking one out costs the same however many there are.
 * Its timer lets a process end.
 */
export class Timeouts<Item> {
  readonly #ms: number
  readonly #due: (item: Item) => void
  /** Until when each waits, in the order in which they came. */
  readonly #waiting = new Map<Item, number>()
  #timer: NodeJS.Timeout | null = null

  /** `due` is called for each item that has waited for `ms` milliseconds. It must not throw. */
  constructor (ms: number, due: (item: Item) => void) {
    this.#ms = ms
    this.#due = due
  }

  /** How many wait. */
  get size (): number {
    return this.#waiting.size
  }

  /** Those that wait now. */
  all (): Item[] {
    return [...this.#waiting.keys()]
  }

  /** Lets an item wait that does not. */
  add (item: Item): void {
    this.#waiting.set(item, performance.now() + this.#ms)
    if (this.#timer === null) this.#wait(this.#ms)
  }

  /** It need not wait any more. */
  delete (item: Item): void {
    this.#waiting.delete(item)
  }

  // A timer that finds nobody due only looks once more than it would have to: so it is not set anew with each item.
  #wait (ms: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.max(1, Math.ceil(ms))).unref()
  }

  #look (): void {
    this.#timer = null
    const now = performance.now()
    for (const [item, until] of this.#waiting) {
      if (until > now) return this.#wait(until - now)
      this.#waiting.delete(item)
      this.#due(item)
    }
  }
}
