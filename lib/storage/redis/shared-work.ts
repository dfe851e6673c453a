/** Work that is done once for all who ask for it while it is under way, by name. */
export class SharedWork {
  readonly #underWay = new Map<string, Promise<unknown>>()

  /** Settles as the work does. */
  run (name: string, work: () => Promise<unknown>): Promise<unknown> {
    let underWay = this.#underWay.get(name)
    if (underWay === undefined) {
      underWay = work().finally(() => this.#underWay.delete(name))
      this.#underWay.set(name, underWay)
    }
    return underWay
  }
}
