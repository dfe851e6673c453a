import { PushError } from '../../core/errors.js'
import type { TokenFrame } from '../../protocol/frames.js'
import type { ConnectionContext } from '../context.js'

/** Goes on with the identity of another token. A host in trouble is no answer: until its end, the identity before holds. [P-2.10] */
export async function renew (connection: ConnectionContext, { id, token }: TokenFrame): Promise<void> {
  const { credentials } = connection
  if (credentials === null) throw new PushError('PUSH_INVALID', 'this identity does not run out')
  try {
    await credentials.renew(token)
  } catch (error) {
    if (error instanceof PushError && error.retryable) throw error
    return connection.fail(error)
  }
  const { expiresIn } = credentials
  connection.send({ type: 'token', id, ...(expiresIn === undefined ? {} : { expiresIn }) })
}
