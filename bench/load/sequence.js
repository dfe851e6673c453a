/** Checks that messages come in the order of their numbers, each once. */
export class Sequence {
  #wire
  /** The number that must come next. */
  next = 0

  /** @param {{ numberAt: (buffer: Buffer, end: number, back?: number) => number }} wire */
  constructor (wire) {
    this.#wire = wire
  }

  /** `count` messages came in a frame that ends at `end`, each `stride` bytes after the one before. */
  take (buffer, end, count, stride) {
    for (let back = count - 1; back >= 0; back--) this.took(this.#wire.numberAt(buffer, end, back * stride))
  }

  /** The message with this number came. */
  took (number) {
    if (number !== this.next) throw new Error(`message ${number} came and ${this.next} was next`)
    this.next++
  }
}
