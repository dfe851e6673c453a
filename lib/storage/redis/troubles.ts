import { quietClock } from '../../core/clock.js'
import { PushError } from '../../core/errors.js'
import { Seldom } from '../../core/seldom.js'

/** Least time between two reports of the same trouble, in milliseconds. */
const QUIET = 10_000

/** Tells the host of troubles with a connection, each of them once in a while: a client library repeats them several times a second. */
export class Troubles {
  readonly #onError: (error: Error) => void
  readonly #seldom = new Seldom(quietClock, QUIET)

  constructor (onError: (error: Error) => void) {
    this.#onError = onError
  }

  tell (error: Error): void {
    const trouble = error.message.replace(/[\d.]+ ?ms/g, '') // when it is tried again is no other trouble
    if (this.#seldom.ask(trouble) !== null) this.#onError(new PushError('PUSH_STORAGE_UNAVAILABLE', `Redis: ${error.message}`, { cause: error }))
  }
}
