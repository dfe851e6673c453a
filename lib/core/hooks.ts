import type { Code } from '../protocol/codes.js'
import type { Clock } from './clock.js'
import { PushError } from './errors.js'

/** Waits for a host's answer, but not for ever: rejects with `error` after `ms`. */
export function within<Value> (clock: Clock, ms: number, answer: Promise<Value>, error: () => PushError): Promise<Value> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(error()))
    answer.then(resolve, reject).finally(cancel)
  })
}

/**
 * What the throw of a host's hook means: `no` if the error says that the request was at fault (a `statusCode` of 400 to 499, as
 * Fastify's errors have it); anything else is trouble, which is no answer: `PUSH_UNAVAILABLE`, come back later.
 */
export function refusal (error: unknown, no: Code): PushError {
  if (error instanceof PushError) return error
  const { statusCode = 500 } = (error ?? {}) as { statusCode?: unknown }
  const isNo = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
  return new PushError(isNo ? no : 'PUSH_UNAVAILABLE', undefined, { cause: error })
}
