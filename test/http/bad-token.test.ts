import t from 'tap'
import { isBadToken } from '../../lib/http/bad-token.js'

const withCode = (code: string): Error => Object.assign(new Error('no'), { code })

t.test('what JWT libraries say of a token, and what they say of the host', async (t) => {
  for (const code of ['FAST_JWT_EXPIRED', 'FAST_JWT_INVALID_SIGNATURE', 'ERR_JWT_EXPIRED', 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED', 'ERR_JOSE_ALG_NOT_ALLOWED', 'ERR_JWKS_NO_MATCHING_KEY']) t.ok(isBadToken(withCode(code)), code)
  for (const code of ['FAST_JWT_INVALID_KEY', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JWK_INVALID', 'ERR_JOSE_GENERIC', 'ERR_JOSE_NOT_SUPPORTED', 'ECONNREFUSED']) t.notOk(isBadToken(withCode(code)), code)
  t.ok(isBadToken(Object.assign(new Error('jwt expired'), { name: 'TokenExpiredError' })))
  t.notOk(isBadToken({ code: 'ERR_JWT_EXPIRED' }))
})
