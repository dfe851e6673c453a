/** A seeded source of chance (sfc32): the same seed gives the same run. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor (seed: number) {
    this.#a = seed | 0
    this.#b = (seed ^ 0x9e3779b9) | 0
    this.#c = 0x2545f491
    for (let i = 0; i < 12; i++) this.next()
  }

  /** A number in [0, 1). */
  next (): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0
    return (sum >>> 0) / 4294967296
  }

  /** An integer from `low` to `high`, both included. */
  int (low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  /** True in a share of `p` of all cases. */
  chance (p: number): boolean {
    return this.next() < p
  }

  pick<T> (items: readonly T[]): T {
    return items[this.int(0, items.length - 1)] as T
  }

  /** One of the keys, each as often as its weight says. */
  weighted<K extends string> (weights: Readonly<Record<K, number>>): K {
    const keys = Object.keys(weights) as K[]
    let left = this.next() * keys.reduce((sum, key) => sum + weights[key], 0)
    for (const key of keys) {
      left -= weights[key]
      if (left < 0) return key
    }
    return keys[keys.length - 1] as K
  }

  /** Mostly short, now and then long: up to `high`, skewed to the low end. */
  skewed (high: number): number {
    return Math.floor(high * this.next() ** 4)
  }

  /** A url-safe secret of 22 characters. */
  secret (): string {
    let text = ''
    while (text.length < 22) text += ALPHABET[this.int(0, 63)]
    return text
  }

  /** Another source that this one's draws do not disturb. */
  fork (): Random {
    return new Random(Math.floor(this.next() * 4294967296))
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
