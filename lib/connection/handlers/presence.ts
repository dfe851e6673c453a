import { PushError } from '../../core/errors.js'
import type { PresenceFrame } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'

/** Reads a page of a channel's members. [P-12.3] */
export async function presence (connection: ConnectionContext, { id, channel: name, limit, after }: PresenceFrame): Promise<void> {
  const { broker } = connection.service
  if (!connection.writable) throw new PushError('PUSH_BUSY') // pages are large, as those of history are
  const { client } = sessionOf(connection)
  const channel = broker.channels.withMembers(name)
  await broker.permissions.check('presence', channel, client)
  const { members, next, users, connections, position } = await broker.members.list(channel, {
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after })
  })
  connection.send({ type: 'presence', id, channel: name, members: [...members], next, counts: { users, connections }, ...position })
}
