/** What fast-jwt (in @fastify/jwt), jose and jsonwebtoken say of a token. What they say of keys, options and the network is not here: that is trouble of the host's. */
const CODES = /^(?:FAST_JWT_(?:EXPIRED|INACTIVE|MALFORMED|INVALID_(?:ALGORITHM|CLAIM_TYPE|CLAIM_VALUE|SIGNATURE|TYPE)|MISSING_(?:REQUIRED_CLAIM|SIGNATURE))|ERR_JW[ST]_[A-Z_]+|ERR_JOSE_ALG_NOT_ALLOWED|ERR_JWKS_NO_MATCHING_KEY)$/
const NAMES: ReadonlySet<unknown> = new Set(['JsonWebTokenError', 'NotBeforeError', 'TokenExpiredError'])

/** Whether a JWT library threw this because of the token. Such errors have no `statusCode`. */
export function isBadToken (error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  return NAMES.has(error.name) || (typeof code === 'string' && CODES.test(code))
}
