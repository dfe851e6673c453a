import type { Channel } from '../broker/channels.js'
import type { Code } from '../protocol/codes.js'
import type { ConnectionContext } from './context.js'

/** Ends what a client has of a channel and has not asked to end, its subscription and its membership, and tells it why. The stored cursor stays. [P-3.7] */
export function revoke (connection: ConnectionContext, channel: Channel, code: Code): void {
  connection.whenWelcomed(() => {
    const stay = connection.stays.get(channel.name)
    if (stay === undefined && !connection.subscriptions.has(channel.wire)) return
    if (stay !== undefined) {
      connection.stays.delete(channel.name)
      connection.service.broker.presence.ended(stay, true)
    }
    connection.leave(channel.wire, 'server')
    connection.send({ type: 'unsubscribed', channel: channel.wire, code })
  })
}
