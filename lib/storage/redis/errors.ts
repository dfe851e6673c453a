import { PushError } from '../../core/errors.js'

/** That nothing was done, and that it may be later: replies of Redis, and what the client library says of what it did not send. */
const REFUSALS = /^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|READONLY|NOREPLICAS|MISCONF|NOAUTH|NOPERM|WRONGPASS|TRYAGAIN|MOVED|ASK|CROSSSLOT)\b|^Stream isn't writeable|^Too many Cluster redirections/

/** What an error of the client library means for an operation that was handed to it. `mayHaveHappened`: it writes, and was on its way. */
export function readError (error: unknown, mayHaveHappened: boolean): PushError {
  if (error instanceof PushError) return error
  const message = error instanceof Error ? error.message : String(error)
  const options = { cause: error }
  if (message.startsWith('OOM')) return new PushError('PUSH_STORAGE_FULL', 'Redis has no memory left', options)
  if (message.startsWith('ERR FULL')) return new PushError('PUSH_STORAGE_FULL', undefined, options)
  if (REFUSALS.test(message) || !mayHaveHappened) return new PushError('PUSH_STORAGE_UNAVAILABLE', undefined, options)
  return new PushError('PUSH_STORAGE_UNKNOWN', undefined, options)
}
