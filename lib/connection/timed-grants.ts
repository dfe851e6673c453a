import type { Channel } from '../broker/channels.js'
import type { Answer, Answers } from '../broker/permissions.js'
import { toPushError } from '../core/errors.js'
import type { Code } from '../protocol/codes.js'
import type { ConnectionContext, Grants } from './context.js'
import type { Expiration, Expiring } from './expiry.js'
import { permit } from './permit.js'
import { revoke } from './revoke.js'

/** Answers kept for one connection, at the most. Beyond it the oldest is forgotten, and asked for again. */
const KEPT = 1000

/** What hooks have allowed, or denied, one connection for a time. */
export class TimedGrants implements Grants {
  readonly #connection: ConnectionContext
  #answers: KeptAnswers | null = null
  /** By the channel's name in frames. */
  #grants: Map<string, Grant> | null = null

  constructor (connection: ConnectionContext) {
    this.#connection = connection
  }

  get answers (): Answers {
    this.#answers ??= new KeptAnswers(this.#connection)
    return this.#answers
  }

  forget (): void {
    this.#answers = null
  }

  renew (): void {
    this.forget()
    for (const grant of [...this.#grants?.values() ?? []]) grant.ask()
  }

  hold (channel: Channel, until: number): void {
    this.release(channel.wire)
    if (until === Infinity) return
    this.#grants ??= new Map()
    this.#grants.set(channel.wire, new Grant(this.#connection, channel, until))
  }

  release (channel: string): void {
    this.#grants?.get(channel)?.release()
    this.#grants?.delete(channel)
  }

  releaseAll (): void {
    for (const grant of this.#grants?.values() ?? []) grant.release()
    this.#grants = this.#answers = null
  }
}

/** The answers to one identity. Whoever began to ask before they were forgotten keeps the answer here, where nobody finds it. */
class KeptAnswers implements Answers {
  readonly #connection: ConnectionContext
  #answers: Map<string, Answer> | null = null // most hooks give no time

  constructor (connection: ConnectionContext) {
    this.#connection = connection
  }

  find (key: string): Answer | undefined {
    const answer = this.#answers?.get(key)
    if (answer === undefined || answer.until > this.#connection.service.broker.clock.now()) return answer
    this.#answers?.delete(key)
    return undefined
  }

  keep (key: string, answer: Answer): void {
    const answers = this.#answers ??= new Map()
    answers.delete(key) // the newest is the last
    for (const oldest of answers.keys()) {
      if (answers.size < KEPT) break
      answers.delete(oldest)
    }
    answers.set(key, answer)
  }
}

/** What is allowed for a time: to follow a channel, and to be its member. It is asked about again so long before the end as a hook may take, and ends with it if there is no answer by then. */
class Grant implements Expiring {
  readonly #connection: ConnectionContext
  readonly #channel: Channel
  #until: number
  #deadline: Expiration
  /** Counts the questions: only the answer to the last one counts. */
  #asked = 0
  #asking = false
  #released = false

  constructor (connection: ConnectionContext, channel: Channel, until: number) {
    this.#connection = connection
    this.#channel = channel
    this.#until = until
    this.#deadline = this.#wait()
  }

  release (): void {
    this.#released = true
    this.#connection.service.grants.delete(this.#deadline)
  }

  expire (): void {
    if (this.#asking) this.#end('PUSH_UNAVAILABLE')
    else this.ask()
  }

  /** Asks about it now. Meanwhile it goes on, until its end. */
  ask (): void {
    const turn = ++this.#asked
    const { grants } = this.#connection.service
    this.#asking = true
    grants.delete(this.#deadline)
    this.#deadline = grants.add(this.#until, this)
    this.#answer(turn).catch((error: unknown) => this.#connection.fail(error))
  }

  async #answer (turn: number): Promise<void> {
    const isLate = () => this.#released || turn !== this.#asked
    try {
      const until = await permit(this.#connection, 'subscribe', this.#channel, this.#newAnswers()) ?? Infinity
      if (isLate()) return
      this.#asking = false
      this.#connection.service.grants.delete(this.#deadline)
      this.#until = until
      if (until !== Infinity) this.#deadline = this.#wait()
    } catch (error) {
      if (!isLate()) this.#end(toPushError(error, 'PUSH_INTERNAL').code)
    }
  }

  // Half of a short time at the least: it is not asked about all the time.
  #wait (): Expiration {
    const { broker: { clock, settings }, grants } = this.#connection.service
    const lead = Math.min(settings.limits.hookTimeout, (this.#until - clock.now()) / 2)
    return grants.add(this.#until - lead, this)
  }

  // Those that end with what is asked about are asked for anew.
  #newAnswers (): Answers {
    const { answers } = this.#connection.grants
    const find = (key: string): Answer | undefined => {
      const answer = answers.find(key)
      return answer !== undefined && answer.until > this.#until ? answer : undefined
    }
    return { find, keep: (key, answer) => answers.keep(key, answer) }
  }

  #end (code: Code): void {
    this.release()
    revoke(this.#connection, this.#channel, code)
  }
}
