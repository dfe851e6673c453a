/** Waits for what a run is to come to, and gives it up only when nothing at all has happened for a long time. */
export class Watchdog {
  /** Why it was given up; empty while it was not. */
  stuck = ''
  readonly #timer: NodeJS.Timeout
  readonly #given: Promise<void>
  #check = (): void => {}

  /** `patience` in milliseconds; `describe` says who waits for what. */
  constructor (patience: number, describe: () => string) {
    let giveUp = (): void => {}
    this.#given = new Promise((resolve) => { giveUp = resolve })
    this.#timer = setTimeout(() => {
      this.stuck = `no progress for ${patience} ms:\n${describe()}`
      giveUp()
    }, patience)
  }

  /** Something happened. */
  progress (): void {
    this.#timer.refresh()
    this.#check()
  }

  /** Resolves with the work, or when it is given up. */
  async until (work: Promise<unknown>): Promise<void> {
    await Promise.race([work, this.#given])
  }

  /** Resolves when the condition holds, looked at after each progress, or when it is given up. */
  async when (holds: () => boolean): Promise<void> {
    await this.until(new Promise<void>((resolve) => {
      this.#check = () => { if (holds()) resolve() }
      this.#check()
    }))
    this.#check = () => {}
  }

  close (): void {
    clearTimeout(this.#timer)
  }
}
