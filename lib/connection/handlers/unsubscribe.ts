import type { UnsubscribeFrame } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'

/** Ends a subscription and forgets its cursor. Of a channel that is not subscribed too: the cursor may be there. [P-3.5] */
export async function unsubscribe (connection: ConnectionContext, { id, channel }: UnsubscribeFrame): Promise<void> {
  const session = sessionOf(connection)
  const { name } = connection.service.broker.channels.reach(channel, session.client)
  connection.leave(channel)
  await session.forget(name)
  connection.send({ type: 'unsubscribed', id, channel })
}
