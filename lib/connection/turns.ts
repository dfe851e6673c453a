/** Does work on one key strictly one after the other, in the order asked; work on other keys goes on beside it. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>()
  /** Pieces of work under way or waiting. */
  waiting = 0

  /** Resolves or rejects as `work` does, whatever became of the work before it. */
  run (key: string, work: () => Promise<void>): Promise<void> {
    const before = this.#last.get(key)
    const mine = before === undefined ? work() : before.then(work, work)
    this.#last.set(key, mine)
    this.waiting++
    const done = () => {
      this.waiting--
      if (this.#last.get(key) === mine) this.#last.delete(key)
    }
    mine.then(done, done)
    return mine
  }
}
