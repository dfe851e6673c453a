/** Something with a weight, in a {@link LargestFirst}. */
export interface Weighted {
  readonly weight: number
  /** Its place in the heap; -1 outside. Kept by the heap. */
  rank: number
}

/**
 * The heaviest of many things whose weights keep changing: a binary heap that knows where each one is.
 * Things without weight are not in it.
 */
export class LargestFirst<Item extends Weighted> {
  readonly #heap: Item[] = []

  /** The heaviest, if any has weight. */
  get first (): Item | undefined {
    return this.#heap[0]
  }

  /** Puts an item into its place after its weight has changed. */
  update (item: Item): void {
    if (item.rank < 0) {
      if (item.weight === 0) return
      item.rank = this.#heap.push(item) - 1
    } else if (item.weight === 0) {
      this.#remove(item)
      return
    }
    this.#up(item)
    this.#down(item)
  }

  #remove (item: Item): void {
    const last = this.#heap.pop() as Item
    const rank = item.rank
    item.rank = -1
    if (last === item) return
    this.#place(last, rank)
    this.#up(last)
    this.#down(last)
  }

  #up (item: Item): void {
    while (item.rank > 0) {
      const parent = this.#heap[(item.rank - 1) >> 1] as Item
      if (parent.weight >= item.weight) return
      this.#swap(parent, item)
    }
  }

  #down (item: Item): void {
    for (;;) {
      const left = this.#heap[item.rank * 2 + 1]
      if (left === undefined) return
      const right = this.#heap[item.rank * 2 + 2]
      const child = right !== undefined && right.weight > left.weight ? right : left
      if (child.weight <= item.weight) return
      this.#swap(item, child)
    }
  }

  #swap (parent: Item, child: Item): void {
    const rank = parent.rank
    this.#place(parent, child.rank)
    this.#place(child, rank)
  }

  #place (item: Item, rank: number): void {
    this.#heap[rank] = item
    item.rank = rank
  }
}
