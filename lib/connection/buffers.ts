/** A connection in whose socket bytes wait. */
export interface Holder {
  /** Bytes that wait, as last looked. */
  readonly held: number
  /** Looks again, and tells {@link Buffers.changed}. */
  look (): void
  /** Ends it without waiting: the reader does not keep up. */
  dropSlow (): void
}

/** How far below the limit relief goes: to the limit itself, the next write would ask for it again. */
const RELIEVED = 0.9

/** The bytes that wait in all sockets of a node. Only connections in which some wait are known here. */
export class Buffers {
  readonly #limit: number
  readonly #holders = new Set<Holder>()
  #total = 0
  #relieving = false

  /** `limit`: bytes in all; beyond it those who hold the most are dropped, until a tenth of it is free. */
  constructor (limit: number) {
    this.#limit = limit
  }

  /** Bytes that wait now, as last looked. */
  get total (): number {
    return this.#total
  }

  /** A holder looked: `by` bytes more than before. */
  changed (holder: Holder, by: number): void {
    this.#total += by
    if (holder.held > 0) this.#holders.add(holder)
    else this.#holders.delete(holder)
    if (this.#total > this.#limit && !this.#relieving) this.#relieve()
  }

  // A socket does not tell when some of its bytes have left, only when all have: so everybody looks again first.
  #relieve (): void {
    this.#relieving = true
    try {
      for (const holder of [...this.#holders]) holder.look()
      if (this.#total <= this.#limit) return
      const largest = [...this.#holders].sort((a, b) => b.held - a.held)
      for (const holder of largest) {
        if (this.#total <= this.#limit * RELIEVED) return
        holder.dropSlow()
      }
    } finally {
      this.#relieving = false
    }
  }
}
