import type { FastifyRequest } from 'fastify'
import type { Authenticate, Identity } from '../../types/options.js'
import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { refusal, within } from '../core/hooks.js'
import { isUserId, NO_USER_ID } from '../core/user-id.js'
import { isBadToken } from './bad-token.js'

export interface IdentificationContext {
  readonly authenticate: Authenticate | undefined
  readonly clock: Clock
  /** Milliseconds that the hook may take. */
  readonly timeout: number
  /** Told once: the host's hook answered what is no identity. */
  readonly onFault: (why: string) => void
}

/** Asks the host who a request comes from. */
export class Identification {
  readonly #context: IdentificationContext
  #told = false

  constructor (context: IdentificationContext) {
    this.#context = context
  }

  /** `renewal`: whether the same request was asked before. `null`: anonymous, because the host does not ask. Rejects with `PUSH_UNAUTHENTICATED`, or `PUSH_UNAVAILABLE` if the hook is in trouble. */
  async ask (request: FastifyRequest, token: string | undefined, renewal: boolean): Promise<Identity | null> {
    const { authenticate, clock, timeout } = this.#context
    if (authenticate === undefined) return null
    let answer: unknown
    try {
      const asked = (async () => authenticate(request, { token, renewal }))()
      answer = await within<unknown>(clock, timeout, asked, () => new PushError('PUSH_UNAVAILABLE', 'authenticate did not answer in time'))
    } catch (error) {
      request.log.debug({ err: error }, 'push: not authenticated')
      throw isBadToken(error) ? new PushError('PUSH_UNAUTHENTICATED', undefined, { cause: error }) : refusal(error, 'PUSH_UNAUTHENTICATED')
    }
    const why = faultOf(answer)
    if (why === null) return answer as Identity
    request.log.debug({ why }, 'push: not authenticated')
    if (why !== 'no' && !this.#told) {
      this.#told = true
      this.#context.onFault(why)
    }
    throw new PushError('PUSH_UNAUTHENTICATED')
  }
}

/** Milliseconds since 1970 are more than this since 1973, and seconds less for thousands of years. */
const SECONDS = 1e11

// Why an answer is no identity; `'no'` for one that says so, `null` for an identity.
function faultOf (answer: unknown): string | null {
  if (answer === null) return 'no'
  const { userId, expiresAt } = (answer ?? {}) as { [Name in keyof Identity]?: unknown }
  if (typeof userId !== 'string') return 'it must be null or have a userId'
  if (!isUserId(userId)) return NO_USER_ID
  if (expiresAt === undefined) return null
  const isTime = (typeof expiresAt === 'number' || expiresAt instanceof Date) && Number.isFinite(Number(expiresAt))
  if (!isTime) return 'expiresAt must be a Date or milliseconds since 1970'
  return Number(expiresAt) < SECONDS ? 'expiresAt is in milliseconds since 1970, and this looks like seconds' : null
}
