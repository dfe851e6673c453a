import type { Code } from '../protocol/codes.js'
import type { ConnectionContext } from './context.js'

/** Ends a subscription that the client has not asked to end, and tells it why. Its stored cursor stays. [P-3.7] */
export function revoke (connection: ConnectionContext, channel: string, code: Code): void {
  connection.whenWelcomed(() => {
    if (!connection.subscriptions.has(channel)) return
    connection.leave(channel)
    connection.send({ type: 'unsubscribed', channel, code })
  })
}
