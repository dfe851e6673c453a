import type { Action, Authorize, ClientInfo } from '../../types/options.js'
import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { refusal, within } from '../core/hooks.js'
import type { Channel } from './channels.js'

/** Says what a client may do. One rule for every hook: anything but a clear yes is a no. */
export class Permissions {
  readonly #authorize: Authorize | undefined
  readonly #clock: Clock
  readonly #timeout: number
  readonly #onError: (error: unknown) => void

  /** `timeout`: milliseconds a hook may take. */
  constructor (authorize: Authorize | undefined, clock: Clock, timeout: number, onError: (error: unknown) => void) {
    this.#authorize = authorize
    this.#clock = clock
    this.#timeout = timeout
    this.#onError = onError
  }

  /**
   * Returns at once, or a promise where a hook takes its time. Throws or rejects with `PUSH_FORBIDDEN`, with
   * `PUSH_NO_HISTORY`, or with `PUSH_UNAVAILABLE` if a hook threw or did not answer in time.
   */
  check (action: Action, channel: Channel, client: ClientInfo): void | Promise<void> {
    const { rules, kind } = channel
    if (action === 'publish' && !rules.clientPublish) throw new PushError('PUSH_FORBIDDEN')
    if (action === 'history' && !rules.history) throw new PushError('PUSH_NO_HISTORY')
    if (kind === 'inbox') return // its user's alone, and only its user reaches it
    if (this.#authorize === undefined && rules.authorize === undefined) return
    const hooks = [this.#authorize, rules.authorize].filter((hook) => hook !== undefined)
    return this.#ask(hooks, action, channel, client)
  }

  async #ask (hooks: readonly Authorize[], action: Action, { name, params }: Channel, client: ClientInfo): Promise<void> {
    for (const hook of hooks) {
      let answer: unknown
      try {
        const asked = (async () => hook({ action, channel: name, params, client }))()
        answer = await within(this.#clock, this.#timeout, asked, () => new PushError('PUSH_UNAVAILABLE', 'authorize did not answer in time'))
      } catch (error) {
        this.#onError(error)
        throw refusal(error, 'PUSH_FORBIDDEN')
      }
      if (answer !== true) throw new PushError('PUSH_FORBIDDEN')
    }
  }
}
