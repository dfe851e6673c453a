/** Lets through, in the order in which it began, what is done side by side. */
export class InOrder {
  readonly #last = new Map<string, Promise<void>>()

  /** Settles as `work` does, once all that passed for the same key before it has settled. */
  pass<Value> (key: string, work: Promise<Value>): Promise<Value> {
    work.catch(() => {}) // it may fail before its turn has come
    const before = this.#last.get(key)
    const mine = before === undefined ? work : before.then(() => work)
    const settled = () => { if (this.#last.get(key) === turn) this.#last.delete(key) }
    const turn: Promise<void> = mine.then(settled, settled)
    this.#last.set(key, turn)
    return mine
  }
}
