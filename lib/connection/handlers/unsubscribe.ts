import type { UnsubscribeFrame } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'

/** Ends a subscription and forgets its cursor. Of a channel that is not subscribed too: the cursor may be there. [P-3.5] */
export async function unsubscribe (connection: ConnectionContext, { id, channel }: UnsubscribeFrame): Promise<void> {
  connection.service.broker.channels.find(channel)
  connection.subscriptions.get(channel)?.close()
  connection.subscriptions.delete(channel)
  await sessionOf(connection).forget(channel)
  connection.send({ type: 'unsubscribed', id, channel })
}
