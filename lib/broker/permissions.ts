import type { Action, Authorize, ClientInfo } from '../../types/options.js'
import type { Clock } from '../core/clock.js'
import { parseDuration } from '../core/duration.js'
import { PushError } from '../core/errors.js'
import { refusal, within } from '../core/hooks.js'
import type { Channel } from './channels.js'

/** What a hook answered. */
export interface Answer {
  readonly allow: boolean
  /** By the monotonic clock. `Infinity` where the hook gave no time: then it is asked each time. */
  readonly until: number
}

/** Where the answers are kept that a hook gave one client for a time. */
export interface Answers {
  /** The one that still holds. */
  find (key: string): Answer | undefined
  keep (key: string, answer: Answer): void
}

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

  /** Whether a hook has a say in this channel. */
  asks ({ rules, kind }: Channel): boolean {
    if (kind === 'inbox') return false // its user's alone, and only its user reaches it
    return this.#authorize !== undefined || rules.authorize !== undefined
  }

  /**
   * Returns at once, or a promise where a hook takes its time: it resolves to when the hook wants to be asked again, by the monotonic clock
   * (`Infinity`: it does not say). Throws or rejects with `PUSH_FORBIDDEN`, with `PUSH_NO_HISTORY`, or with `PUSH_UNAVAILABLE` if a hook
   * threw or did not answer in time. `answers`: what hooks have answered this client for a time.
   */
  check (action: Action, channel: Channel, client: ClientInfo, answers?: Answers): undefined | Promise<number> {
    const { rules, kind } = channel
    if (action === 'publish' && !rules.clientPublish) throw new PushError('PUSH_FORBIDDEN')
    if (action === 'history' && !rules.history) throw new PushError('PUSH_NO_HISTORY')
    if (kind === 'presence') return this.check('presence', channel.of as Channel, client, answers)
    if (kind === 'user') {
      if (channel.params.userId === client.userId) return undefined
      if (this.#authorize === undefined) throw new PushError('PUSH_FORBIDDEN') // whether somebody is online is not for everybody
    }
    if (!this.asks(channel)) return undefined
    const hooks = [this.#authorize, rules.authorize].filter((hook) => hook !== undefined)
    return this.#askAll(hooks, action, channel, client, answers)
  }

  async #askAll (hooks: readonly Authorize[], action: Action, channel: Channel, client: ClientInfo, answers: Answers | undefined): Promise<number> {
    let until = Infinity
    for (const [i, hook] of hooks.entries()) {
      const key = `${i} ${action} ${channel.name}`
      let answer = answers?.find(key)
      if (answer === undefined) {
        answer = await this.#ask(hook, action, channel, client)
        if (answer.until !== Infinity) answers?.keep(key, answer)
      }
      if (!answer.allow) throw new PushError('PUSH_FORBIDDEN')
      until = Math.min(until, answer.until)
    }
    return until
  }

  async #ask (hook: Authorize, action: Action, { name, params }: Channel, client: ClientInfo): Promise<Answer> {
    let answer: unknown
    try {
      const asked = (async () => hook({ action, channel: name, params, client }))()
      answer = await within<unknown>(this.#clock, this.#timeout, asked, () => new PushError('PUSH_UNAVAILABLE', 'authorize did not answer in time'))
    } catch (error) {
      const refused = refusal(error, 'PUSH_FORBIDDEN')
      if (refused.code === 'PUSH_UNAVAILABLE') this.#onError(error)
      throw refused
    }
    return this.#read(answer)
  }

  // A yes for a time has to say for how long.
  #read (answer: unknown): Answer {
    if (typeof answer !== 'object' || answer === null) return { allow: answer === true, until: Infinity }
    const { allow, ttl } = answer as { allow?: unknown, ttl?: unknown }
    if (allow !== true && ttl === undefined) return { allow: false, until: Infinity }
    try {
      return { allow: allow === true, until: this.#clock.now() + parseDuration(ttl as number, 'the ttl that authorize gave') }
    } catch (error) {
      this.#onError(error)
      return { allow: false, until: Infinity }
    }
  }
}
