import type { Channel } from '../broker/channels.js'
import type { Answer } from '../broker/permissions.js'
import { toPushError } from '../core/errors.js'
import type { ConnectionContext, Grants } from './context.js'
import type { Expiration, Expiring } from './expiry.js'
import { permit } from './permit.js'
import { revoke } from './revoke.js'

/** Answers kept for one connection, at the most. Beyond it the oldest is forgotten, and asked for again. */
const KEPT = 1000

/** What hooks have allowed, or denied, one connection for a time. */
export class TimedGrants implements Grants {
  readonly #connection: ConnectionContext
  #answers: Map<string, Answer> | null = null
  /** By the channel's name in frames. */
  #leases: Map<string, Lease> | null = null

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

  clear (): void {
    this.#answers = null
  }

  hold (channel: Channel, until: number): void {
    this.release(channel.wire)
    if (until === Infinity) return
    this.#leases ??= new Map()
    this.#leases.set(channel.wire, new Lease(this.#connection, channel, until))
  }

  release (channel: string): void {
    this.#leases?.get(channel)?.release()
    this.#leases?.delete(channel)
  }

  releaseAll (): void {
    for (const lease of this.#leases?.values() ?? []) lease.release()
    this.#leases = this.#answers = null
  }
}

/** A subscription that is allowed for a time. Then it is asked about again; it goes on meanwhile, for as long as a hook may take. */
class Lease implements Expiring {
  readonly #connection: ConnectionContext
  readonly #channel: Channel
  #deadline: Expiration
  #released = false

  constructor (connection: ConnectionContext, channel: Channel, until: number) {
    this.#connection = connection
    this.#channel = channel
    this.#deadline = connection.service.leases.add(until, this)
  }

  release (): void {
    this.#released = true
    this.#connection.service.leases.delete(this.#deadline)
  }

  expire (): void {
    this.#ask().catch((error: unknown) => this.#connection.fail(error))
  }

  async #ask (): Promise<void> {
    try {
      const until = await permit(this.#connection, 'subscribe', this.#channel) ?? Infinity
      if (!this.#released && until !== Infinity) this.#deadline = this.#connection.service.leases.add(until, this)
    } catch (error) {
      if (!this.#released) revoke(this.#connection, this.#channel.wire, toPushError(error, 'PUSH_INTERNAL').code)
    }
  }
}
