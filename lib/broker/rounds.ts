/** Goes round and round a map, a part of it at a time. Who comes or goes meanwhile changes nobody's turn. */
export class Rounds<Value> {
  readonly #all: ReadonlyMap<string, Value>
  readonly #parts: number
  #round: Iterator<Value>

  /** `parts`: how many make a round. */
  constructor (all: ReadonlyMap<string, Value>, parts: number) {
    this.#all = all
    this.#parts = parts
    this.#round = all.values()
  }

  /** The next part. */
  next (): Value[] {
    const part: Value[] = []
    for (let left = Math.ceil(this.#all.size / this.#parts); left > 0; left--) {
      const { done, value } = this.#round.next()
      if (done === true) {
        this.#round = this.#all.values()
        break
      }
      part.push(value)
    }
    return part
  }
}
