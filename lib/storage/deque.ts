/**
 * A list that grows at one end and shrinks at the other, each in amortised constant time, with access by index.
 */
export class Deque<Item> {
  #items: Array<Item | undefined> = []
  #start = 0

  get length (): number {
    return this.#items.length - this.#start
  }

  /** The item at `index`, counted from the oldest. */
  at (index: number): Item | undefined {
    return this.#items[this.#start + index]
  }

  /** Puts another item where one is. */
  replace (index: number, item: Item): void {
    this.#items[this.#start + index] = item
  }

  push (item: Item): void {
    this.#items.push(item)
  }

  /** Takes the oldest item off. */
  shift (): Item | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#start]
    this.#items[this.#start++] = undefined
    // Moves what is left only once it is the smaller half: each item is moved less than once per item taken off.
    if (this.#start >= 16 && this.#start * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#start)
      this.#start = 0
    }
    return item
  }
}
