/** Does work side by side, so many pieces of it at once; the others wait for their turn, in order. */
export class AtOnce {
  readonly #most: number
  #working = 0
  /** Who came last, and before them those who are next, the first one last. */
  #came: Array<() => void> = []
  #next: Array<() => void> = []

  constructor (most: number) {
    this.#most = most
  }

  /** Settles as the work does; begins at once if there is room. */
  async run<Value> (work: () => Promise<Value>): Promise<Value> {
    if (this.#working < this.#most) this.#working++
    else await new Promise<void>((resolve) => { this.#came.push(resolve) })
    try {
      return await work()
    } finally {
      this.#pass()
    }
  }

  /** Works on each of many. Goes on where that fails for one, and rejects in the end with what failed first. */
  async each<Item> (items: Iterable<Item>, work: (item: Item) => Promise<unknown>): Promise<void> {
    const left = items[Symbol.iterator]()
    const failures: unknown[] = []
    const some = async (): Promise<void> => {
      for (let item = left.next(); item.done !== true; item = left.next()) {
        const { value } = item
        await this.run(() => work(value)).catch((error: unknown) => { failures.push(error) })
      }
    }
    await Promise.all(Array.from({ length: this.#most }, some))
    if (failures.length > 0) throw failures[0]
  }

  /** Forgets those who wait: their work is never done. */
  clear (): void {
    this.#came = []
    this.#next = []
  }

  #pass (): void {
    if (this.#next.length === 0) [this.#next, this.#came] = [this.#came.reverse(), []]
    const next = this.#next.pop()
    if (next === undefined) this.#working--
    else next()
  }
}
