/**
 * Tells what came from the log after a verdict from what came live: the former lies up to the head that the log had then, which
 * is known only a moment later.
 */
export class CatchUp {
  readonly #caughtUp: (offset: number) => void
  #early: number[] = []
  #head: number | null = null

  /** `caughtUp` hears each offset once that was not live. */
  constructor (caughtUp: (offset: number) => void) {
    this.#caughtUp = caughtUp
  }

  /** A message came. */
  add (offset: number): void {
    if (this.#head === null) this.#early.push(offset)
    else if (offset <= this.#head) this.#caughtUp(offset)
  }

  /** The log's head is known. */
  setHead (head: number): void {
    const early = this.#early
    this.#head = head
    this.#early = []
    for (const offset of early) this.add(offset)
  }
}
