import type { LogState, LogStore } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'

/** How long what was read is good for others, in milliseconds. */
const LIFE = 500

/** The reads of what a log as a whole is like, shared by those who ask together. Both reject as the log does. */
export class StateReads {
  readonly #log: LogStore
  readonly #clock: Clock
  readonly #channel: string
  /** The read whose outcome others may have. */
  #last: { readonly at: number, readonly state: Promise<LogState> } | null = null
  /** The read that is under way, and the one after it. */
  #current: Promise<LogState> | null = null
  #next: Promise<LogState> | null = null

  constructor (log: LogStore, clock: Clock, channel: string) {
    this.#log = log
    this.#clock = clock
    this.#channel = channel
  }

  /** What it was like a moment ago. A thousand who come back at once make one read. */
  async recent (): Promise<LogState> {
    const at = this.#clock.now()
    if (this.#last === null || at - this.#last.at >= LIFE) this.#last = { at, state: this.#read() }
    const last = this.#last
    try {
      return await last.state
    } catch (error) {
      if (this.#last === last) this.#last = null
      throw error
    }
  }

  /** What it is like now. Who asks during a read waits for the next one, which is one for all who wait: so it holds whatever was appended before they asked. */
  now (): Promise<LogState> {
    if (this.#current === null) return this.#begin()
    this.#next ??= this.#current.then(() => {}, () => {}).then(() => this.#begin())
    return this.#next
  }

  #begin (): Promise<LogState> {
    this.#next = null
    const current = this.#current = this.#read()
    const done = (): void => { if (this.#current === current) this.#current = null }
    current.then(done, done)
    return current
  }

  #read (): Promise<LogState> {
    return this.#log.read(this.#channel, { from: 1, limit: 0, bytes: 0 })
  }
}
