import t from 'tap'
import { PushError, toPushError } from '../../lib/core/errors.js'
import { codes, type Code } from '../../lib/protocol/codes.js'

t.test('an error carries its code, the text of the table unless another is given, and its HTTP status', async (t) => {
  for (const code of Object.keys(codes) as Code[]) {
    const error = new PushError(code)
    t.match(error, { name: 'PushError', code, message: codes[code].text, statusCode: codes[code].status })
    t.ok(error instanceof Error)
    t.equal(error.retryable, codes[code].retry !== 'never')
    t.equal(error.id, undefined)
    t.notOk('cause' in error)
  }
  t.equal(new PushError('PUSH_INVALID', 'no').message, 'no')
})

t.test('with a cause and an id', async (t) => {
  const cause = new Error('driver')
  const error = new PushError('PUSH_UNKNOWN', undefined, { cause, id: 'order-42' })
  t.equal(error.cause, cause)
  t.equal(error.id, 'order-42')
  t.equal(new PushError('PUSH_UNKNOWN', undefined, { id: undefined }).id, undefined)
})

t.test('toPushError keeps one that has a code and wraps any other', async (t) => {
  const error = new PushError('PUSH_FORBIDDEN')
  t.equal(toPushError(error, 'PUSH_INTERNAL'), error)
  const thrown = { code: 'PUSH_FORBIDDEN' }
  for (const other of [new TypeError('x'), 'text', null, thrown]) {
    const wrapped = toPushError(other, 'PUSH_INTERNAL')
    t.equal(wrapped.code, 'PUSH_INTERNAL')
    t.equal(wrapped.cause, other)
    t.equal(wrapped.message, codes.PUSH_INTERNAL.text, 'what was thrown is not told')
  }
})
