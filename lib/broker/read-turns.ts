/** Pages on their way to one connection at the most: more would find no room in it when they come, and be read again. */
const READS = 4

/** Whoever reads the log for a connection. */
export interface Reader {
  /** It may be its turn now. */
  settle (): void
}

/**
 * Lets those who read the log for one connection do so a few at a time, one after the other. Nobody is told while there is no room, so that
 * everybody's place in the line outlasts a reader that stops now and then.
 */
export class ReadTurns {
  readonly #outlet: { readonly writable: boolean }
  #reading = 0
  // Nearly always nobody. Whoever found no room goes first.
  #turnedAway: Set<Reader> | null = null
  #waiting: Set<Reader> | null = null

  /** `outlet`: where the readers write. It calls {@link ReadTurns.next} once it has room again. */
  constructor (outlet: { readonly writable: boolean }) {
    this.#outlet = outlet
  }

  /** Takes a turn, to be given back. If there is none now, the reader is told when there may be. */
  take (reader: Reader): boolean {
    if (this.#reading >= READS) {
      if (!this.awaits(reader)) this.#wait(reader)
      return false
    }
    this.#reading++
    this.leave(reader)
    return true
  }

  /** Resolves with a turn, to be given back, once there is one and room; never, if the connection ends before. */
  turn (): Promise<void> {
    return new Promise((resolve) => {
      const reader: Reader = { settle: () => { if (this.take(reader)) resolve() } }
      if (this.#outlet.writable) reader.settle()
      else this.#wait(reader)
    })
  }

  /** Writes what was read, once there is room. Resolves then; never, if the connection ends before. */
  inRoom (write: () => void): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        write()
        resolve()
      }
      if (this.#outlet.writable) settle()
      else this.turnAway({ settle })
    })
  }

  /** Gives a turn back. */
  give (): void {
    this.#reading--
    this.next()
  }

  /** The reader's page found no room: it is told before all others once there is some. */
  turnAway (reader: Reader): void {
    (this.#turnedAway ??= new Set()).add(reader)
  }

  /** Tells those who wait, as long as there are turns and room. */
  next (): void {
    if (this.#turnedAway !== null) this.#tell(this.#turnedAway)
    if (this.#waiting !== null) this.#tell(this.#waiting)
  }

  #wait (reader: Reader): void {
    (this.#waiting ??= new Set()).add(reader)
  }

  #tell (readers: Set<Reader>): void {
    for (const reader of readers) {
      if (this.#reading >= READS || !this.#outlet.writable) return
      readers.delete(reader)
      reader.settle()
    }
  }

  /** Whether the reader will be told. */
  awaits (reader: Reader): boolean {
    return this.#waiting?.has(reader) === true || this.#turnedAway?.has(reader) === true
  }

  /** The reader waits for no turn any more. */
  leave (reader: Reader): void {
    this.#waiting?.delete(reader)
    this.#turnedAway?.delete(reader)
  }
}
