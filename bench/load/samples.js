const RING = 65_536 // messages that may be under way

/** Measures how long each delivery took, from the moment its message was published. */
export class Samples {
  #wire
  #sentAt = new Float64Array(RING)
  #taken = []

  /** @param {import('../wires/wire.js').Wire} wire */
  constructor (wire) {
    this.#wire = wire
  }

  /** The message with this number goes out now. */
  sent (number) {
    this.#sentAt[number % RING] = performance.now()
  }

  /** `count` messages came in a frame that ends at `end`, each `stride` bytes after the one before. */
  take (buffer, end, count, stride) {
    const now = performance.now()
    for (let back = 0; back < count; back++) {
      const number = this.#wire.numberAt(buffer, end, back * stride)
      this.#taken.push(now - this.#sentAt[number % RING])
    }
  }

  /** The median and the 99th percentile in milliseconds; starts anew. */
  percentiles () {
    const sorted = Float64Array.from(this.#taken).sort()
    this.#taken = []
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
    return { p50: at(0.5), p99: at(0.99) }
  }
}
