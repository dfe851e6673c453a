import type { Identity } from '../../types/options.js'
import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { sessionOf, type ConnectionContext, type Credentials, type Peer } from './context.js'
import type { Expiration } from './expiry.js'

/**
 * When an identity ends, in whole milliseconds since 1970; `Infinity` if it does not. Rounded down: nothing is delivered afterwards.
 * Throws `PUSH_UNAUTHENTICATED` if it has ended.
 */
export function endOf (identity: Identity | null, clock: Clock): number {
  if (identity?.expiresAt === undefined) return Infinity
  const end = Math.floor(Number(identity.expiresAt))
  if (end <= clock.timestamp()) throw new PushError('PUSH_UNAUTHENTICATED', 'the identity has run out')
  return end
}

/** Lets a connection end with its identity, and asks for the identity again. Only connections whose identity ends have one. */
export class ExpiringCredentials implements Credentials {
  readonly #connection: ConnectionContext
  /** Holds on to the upgrade request. */
  readonly #authenticate: Peer['authenticate']
  #deadline: Expiration | null = null

  constructor (connection: ConnectionContext, authenticate: Peer['authenticate'], end: number) {
    this.#connection = connection
    this.#authenticate = authenticate
    this.#hold(end)
  }

  get expiresIn (): number | undefined {
    if (this.#deadline === null) return undefined
    return Math.max(0, this.#deadline.at - this.#connection.service.broker.clock.timestamp())
  }

  async renew (token: string): Promise<void> {
    const identity = await this.#authenticate(token, true)
    if (this.#connection.ended) return
    const session = sessionOf(this.#connection)
    if (identity === null) throw new PushError('PUSH_UNAUTHENTICATED')
    if (identity.userId !== session.client.userId) throw new PushError('PUSH_UNAUTHENTICATED', 'another user')
    this.#hold(endOf(identity, this.#connection.service.broker.clock))
    session.renew(identity)
    for (const subscription of this.#connection.subscriptions.values()) subscription.client = session.client // hooks see what is known now
    this.#connection.grants.renew()
  }

  release (): void {
    if (this.#deadline !== null) this.#connection.service.expiry.delete(this.#deadline)
    this.#deadline = null
  }

  #hold (end: number): void {
    this.release()
    this.#connection.endAt(end)
    if (end !== Infinity) this.#deadline = this.#connection.service.expiry.add(end, this.#connection)
  }
}
