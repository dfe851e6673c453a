/** Does work on one key strictly one after the other, in the order asked; work on other keys goes on beside it. */
export class Turns {
  #last: Map<string, Promise<void>> | null = null // most connections never ask
  /** Pieces of work under way or waiting. */
  waiting = 0

  /** Resolves or rejects as `work` does, whatever became of the work before it. */
  run (key: string, work: () => Promise<void>): Promise<void> {
    const last = this.#last ??= new Map()
    const before = last.get(key)
    const mine = before === undefined ? work() : before.then(work, work)
    last.set(key, mine)
    this.waiting++
    const done = () => {
      this.waiting--
      if (last.get(key) === mine) last.delete(key)
    }
    mine.then(done, done)
    return mine
  }
}
