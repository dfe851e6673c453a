import type { Clock } from '../core/clock.js'
import { PushError, toPushError } from '../core/errors.js'
import { LONGEST_DELAY } from './delay.js'
import type { Token } from './options.js'
import type { Requests } from './requests.js'
import { tokenText } from './token.js'

/** A token is presented so long before the end at the least, unless there is little time in all. Milliseconds. */
const LEAD = 30_000
/** Where less than this is left, half of it is waited. */
const SHORT = 60_000
/** Where less than this is left, the end is waited for: the next hello asks for a token too. */
const LEAST = 1_000

export interface RenewalContext {
  readonly clock: Clock
  readonly requests: Requests
  readonly token: () => Token | Promise<Token>
  /** Bounds the token. Milliseconds. */
  readonly timeout: number
  readonly onError: (error: PushError) => void
}

/** Presents another token before the identity of a link ends. [P-2.10] */
export class Renewal {
  readonly #context: RenewalContext
  /** Counts up: what was begun earlier is over. */
  #era = 0
  #endAt = Infinity
  #release: () => void = () => {}

  constructor (context: RenewalContext) {
    this.#context = context
  }

  /** The identity holds for so long; `undefined`: for as long as the link. */
  begin (expiresIn: number | undefined): void {
    this.stop()
    if (expiresIn === undefined) return
    this.#endAt = this.#context.clock.now() + expiresIn
    if (expiresIn <= LEAST) return
    this.#wait(expiresIn < SHORT ? expiresIn / 2 : expiresIn - Math.max(LEAD, expiresIn / 10))
  }

  stop (): void {
    this.#era++
    this.#release()
  }

  #wait (ms: number): void {
    const era = this.#era
    const isLong = ms > LONGEST_DELAY
    this.#release = this.#context.clock.after(isLong ? LONGEST_DELAY : ms, () => {
      if (isLong) return this.#wait(ms - LONGEST_DELAY)
      this.#release = this.#context.clock.after(this.#context.timeout, () => this.#again(era, new PushError('PUSH_TIMEOUT', 'the token did not come in time')))
      this.#token().then((token) => this.#present(era, token), (error) => this.#again(era, toPushError(error, 'PUSH_UNAVAILABLE')))
    })
  }

  async #token (): Promise<string | undefined> {
    return tokenText(await this.#context.token())
  }

  // Without a token the identity ends when it ends.
  #present (era: number, token: string | undefined): void {
    if (era !== this.#era) return
    this.#release()
    if (token === undefined) return
    this.#context.requests.ask({ type: 'token', token },
      (reply) => { if (reply.type === 'token') this.#renewed(era, reply.expiresIn) },
      (error) => this.#again(era, error))
  }

  // Where the end has not moved, the token is the one from before, and no other is to be had: it is not asked for again until the end.
  #renewed (era: number, expiresIn: number | undefined): void {
    if (era !== this.#era) return
    const moved = expiresIn === undefined || this.#context.clock.now() + expiresIn - this.#endAt > Math.min(LEAST, expiresIn / 4) // the network's delay differs
    if (moved) this.begin(expiresIn)
    else this.stop()
  }

  #again (era: number, error: PushError): void {
    if (era !== this.#era) return
    const left = this.#endAt - this.#context.clock.now()
    this.begin(left)
    this.#context.onError(error)
  }
}
