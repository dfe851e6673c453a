import { PushError } from '../../core/errors.js'
import type { EnterFrame } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'
import { permit } from '../permit.js'

/** Makes the client a member of a channel, or its member another one. [P-12.1] */
export async function enter (connection: ConnectionContext, { id, channel: name, data }: EnterFrame): Promise<void> {
  const { channels, presence, settings } = connection.service.broker
  const { stays } = connection
  const session = sessionOf(connection)
  const channel = channels.find(name)
  const stay = presence.stay(channel, session, data)
  const until = await permit(connection, 'subscribe', channel)
  if (connection.ended) throw new PushError('PUSH_CLOSED')
  const limit = settings.limits.subscriptions
  const isOnline = session.client.userId !== undefined && settings.presence.online // a stay that is no channel of its choice
  if (stays.size - (isOnline ? 1 : 0) >= limit && !stays.has(name)) throw new PushError('PUSH_TOO_MANY', `in more than ${limit} channels`, { limit: 'subscriptions' })
  // If the connection ends meanwhile it is this one that has to leave.
  const before = stays.get(name)
  stays.set(name, stay)
  try {
    await presence.enter(stay)
  } catch (error) {
    if (stay.phase === 'out' && stays.get(name) === stay) {
      if (before === undefined) stays.delete(name)
      else stays.set(name, before)
    }
    throw error
  }
  if (until !== undefined && stays.get(name) === stay) connection.grants.hold(channel, until)
  connection.send({ type: 'entered', id, channel: name })
}
