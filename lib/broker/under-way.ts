/** What is under way, by name: it matters when the last of a name has settled. */
export class UnderWay {
  readonly #last = new Map<string, Promise<unknown>>()

  get size (): number {
    return this.#last.size
  }

  get names (): Iterable<string> {
    return this.#last.keys()
  }

  has (name: string): boolean {
    return this.#last.has(name)
  }

  /** Returns the work as it is. */
  add<Value> (name: string, work: Promise<Value>): Promise<Value> {
    const settled: Promise<unknown> = Promise.allSettled([this.#last.get(name), work]).then(() => {
      if (this.#last.get(name) === settled) this.#last.delete(name)
    })
    this.#last.set(name, settled)
    return work
  }

  /** Resolves when nothing of this name is under way, also of what has begun meanwhile. */
  async settled (name: string): Promise<void> {
    while (this.#last.has(name)) await this.#last.get(name)
  }
}
