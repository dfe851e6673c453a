import { Deque } from './deque.js'

/**
 * Calls listeners in the order in which things happened: what a listener itself causes is told after
 * everybody has heard what it was told.
 */
export class Teller {
  readonly #waiting = new Deque<() => void>()
  readonly #onThrow: (error: unknown) => void
  #telling = false

  /** What a listener throws goes to `onThrow`, and no further. */
  constructor (onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow
  }

  /** Calls `call` for each listener there is when its turn has come. Throws only if `onThrow` does. */
  tell<Listener> (listeners: Iterable<Listener>, call: (listener: Listener) => void): void {
    if (this.#telling) {
      this.#waiting.push(() => this.#tellNow(listeners, call))
      return
    }
    this.#telling = true
    try {
      this.#tellNow(listeners, call)
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) next()
    } finally {
      this.#telling = false
    }
  }

  #tellNow<Listener> (listeners: Iterable<Listener>, call: (listener: Listener) => void): void {
    for (const listener of listeners) {
      try {
        call(listener)
      } catch (error) {
        this.#onThrow(error)
      }
    }
  }
}
