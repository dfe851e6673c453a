import { PushError } from '../../core/errors.js'

/** Least time between two reports of the same trouble, in milliseconds. */
const QUIET = 10_000

/** Tells the host of troubles with a connection, each of them once in a while: a client library repeats them several times a second. */
export class Troubles {
  readonly #onError: (error: Error) => void
  readonly #told = new Map<string, number>()

  constructor (onError: (error: Error) => void) {
    this.#onError = onError
  }

  tell (error: Error): void {
    const now = performance.now()
    for (const [message, at] of this.#told) {
      if (now - at > QUIET) this.#told.delete(message)
    }
    const trouble = error.message.replace(/[\d.]+ ?ms/g, '') // when it is tried again is no other trouble
    if (this.#told.has(trouble)) return
    this.#told.set(trouble, now)
    this.#onError(new PushError('PUSH_STORAGE_UNAVAILABLE', `Redis: ${error.message}`, { cause: error }))
  }
}
