import { PushError } from '../../core/errors.js'
import type { LeaveFrame } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'

/** Ends a membership, also one that an earlier connection of the session began. [P-12.2] */
export async function leave (connection: ConnectionContext, { id, channel: name }: LeaveFrame): Promise<void> {
  const { channels, presence } = connection.service.broker
  const channel = channels.find(name)
  if (channel.rules.presence === null) throw new PushError('PUSH_NO_PRESENCE')
  await presence.leave(channel, sessionOf(connection))
  if (!connection.ended) connection.stays.delete(name)
  connection.send({ type: 'left', id, channel: name })
}
