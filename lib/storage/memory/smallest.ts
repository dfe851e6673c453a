/** The smallest of many strings, at most `limit` of them. */
export class Smallest {
  /** In their order. */
  readonly sorted: string[] = []
  readonly #limit: number

  constructor (limit: number) {
    this.#limit = limit
  }

  add (value: string): void {
    const { sorted } = this
    const isFull = sorted.length >= this.#limit
    if (isFull && !(value < (sorted.at(-1) ?? ''))) return
    if (isFull) sorted.pop()
    sorted.splice(placeOf(sorted, value), 0, value)
  }
}

/** Where a value is, or belongs, among sorted ones. */
export function placeOf (sorted: readonly string[], value: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as string) < value) low = middle + 1
    else high = middle
  }
  return low
}
