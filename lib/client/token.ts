import { PushError } from '../core/errors.js'
import type { Token } from './options.js'

/** Longest token that the protocol takes, in characters. */
const MAX_TOKEN = 8_192

/** A token as frames have it; `undefined` where there is none. Throws `PUSH_INVALID` for what can be none. */
export function tokenText (token: Token): string | undefined {
  if (token === null || token === undefined) return undefined
  if (typeof token === 'string' && token.length <= MAX_TOKEN) return token
  throw new PushError('PUSH_INVALID', 'a token must be a string of 8,192 characters at most')
}
