/** Pages on their way to one connection at the most: more would find no room in it when they come, and be read again. */
const READS = 4

/** Whoever reads the log for a connection. */
export interface Reader {
  /** It may be its turn now. */
  settle (): void
}

/** Lets the subscriptions of one connection read the log a few at a time, one after the other. */
export class ReadTurns {
  #reading = 0
  #waiting: Set<Reader> | null = null // nearly always nobody

  /** Takes a turn, to be given back. If there is none now, the reader is told when there may be. */
  take (reader: Reader): boolean {
    if (this.#reading >= READS) {
      this.#waiting ??= new Set()
      this.#waiting.add(reader)
      return false
    }
    this.#reading++
    this.#waiting?.delete(reader)
    return true
  }

  /** Gives a turn back. */
  give (): void {
    this.#reading--
    if (this.#waiting === null) return
    for (const reader of this.#waiting) {
      if (this.#reading >= READS) return
      this.#waiting.delete(reader)
      reader.settle()
    }
  }

  /** The reader waits for no turn any more. */
  leave (reader: Reader): void {
    this.#waiting?.delete(reader)
  }
}
