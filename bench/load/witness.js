import { textOf } from './data.js'

/**
 * Watches one subscriber: keeps what it gets, and afterwards, outside the timed part, reads all of it as an
 * application would. Each message must have come exactly once, in order, as it was sent.
 */
export class Witness {
  #wire
  #data
  #kept = []

  /**
   * @param {import('../wires/wire.js').Wire} wire
   * @param {import('./data.js').Data} data
   */
  constructor (wire, data) {
    this.#wire = wire
    this.#data = data
  }

  /** Keeps a copy of a frame's payload. */
  record (buffer, start, length, first) {
    this.#kept.push(first, Buffer.from(buffer.subarray(start, start + length)))
  }

  /** Checks what was kept: the messages with the numbers from `from` up to, not including, `to`. Throws where they are not. */
  check (from, to) {
    let next = from
    for (let i = 0; i < this.#kept.length; i += 2) {
      for (const data of this.#wire.dataOf(this.#kept[i + 1], this.#kept[i])) {
        const expected = textOf(this.#data, next)
        if (data !== expected) throw new Error(`the witness got ${data.slice(0, 40)}… and expected ${expected.slice(0, 40)}…`)
        next++
      }
    }
    this.#kept = []
    if (next !== to) throw new Error(`the witness got the messages ${from} to ${next - 1} and expected them up to ${to - 1}`)
  }

  /** The payload of the only frame kept. Throws if there is not exactly one. */
  only () {
    if (this.#kept.length !== 2) throw new Error(`the probe came as ${this.#kept.length / 2} frames`)
    return { payload: this.#kept[1], first: this.#kept[0] }
  }
}
