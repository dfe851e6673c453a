import type { UnreadFrame } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'
import { permit } from '../permit.js'

/** Counts what lies after this session's cursor. Who may subscribe may know. [P-6.4] */
export async function unread (connection: ConnectionContext, { id, channel: name }: UnreadFrame): Promise<void> {
  const { broker } = connection.service
  const { key, client } = sessionOf(connection)
  const channel = broker.channels.reach(name, client)
  await permit(connection, 'subscribe', channel)
  connection.send({ type: 'unread', id, channel: name, count: await broker.unreadOf(channel, key) })
}
