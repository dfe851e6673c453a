import { PushError } from '../../core/errors.js'
import type { LeaveFrame } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'
import { permit } from '../permit.js'

/** Ends a membership, also one that an earlier connection of the session began. [P-12.2] */
export async function leave (connection: ConnectionContext, { id, channel: name }: LeaveFrame): Promise<void> {
  const { channels, presence } = connection.service.broker
  const channel = channels.find(name)
  if (channel.rules.presence === null) throw new PushError('PUSH_NO_PRESENCE')
  const session = sessionOf(connection)
  // Of who is no member here the storage remembers that it has left, so not of every name that somebody makes up.
  if (!presence.holds(channel, session)) await permit(connection, 'subscribe', channel)
  await presence.leave(channel, session)
  if (!connection.ended) {
    connection.stays.delete(name)
    if (!connection.subscriptions.has(name)) connection.grants.release(name)
  }
  connection.send({ type: 'left', id, channel: name })
}
