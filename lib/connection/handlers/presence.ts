import { memberPageFrame } from '../../broker/encoding.js'
import { PushError } from '../../core/errors.js'
import type { PresenceFrame } from '../../protocol/frames.js'
import type { ConnectionContext } from '../context.js'
import { permit } from '../permit.js'

/** Reads a page of a channel's members. [P-12.3] */
export async function presence (connection: ConnectionContext, { id, channel: name, limit, after }: PresenceFrame): Promise<void> {
  const { broker } = connection.service
  if (!connection.writable) throw new PushError('PUSH_BUSY') // pages are large, as those of history are
  const channel = broker.channels.withMembers(name)
  await permit(connection, 'presence', channel)
  const page = await broker.members.encoded(channel, {
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after })
  })
  connection.outgoing.write(memberPageFrame(id, page))
}
