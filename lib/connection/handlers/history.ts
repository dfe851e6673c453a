import { PushError } from '../../core/errors.js'
import type { HistoryFrame } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'
import { permit } from '../permit.js'

/** Reads a page of the log. [P-6.1] */
export async function history (connection: ConnectionContext, { id, channel: name, limit, before, after, reverse }: HistoryFrame): Promise<void> {
  const { broker } = connection.service
  // Pages are large: a peer that does not read what it asked for gets no more of them.
  if (!connection.writable) throw new PushError('PUSH_BUSY')
  const { client } = sessionOf(connection)
  const channel = broker.channels.reach(name, client)
  await permit(connection, 'history', channel)
  const page = await broker.readHistory(channel, {
    ...(limit === undefined ? {} : { limit }),
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    ...(reverse === undefined ? {} : { reverse })
  })
  connection.send({
    type: 'history',
    id,
    channel: name,
    epoch: page.head.epoch,
    head: page.head.offset,
    next: page.next,
    messages: page.messages.map(({ channel, position, ...message }) => ({ offset: position?.offset ?? 0, ...message }))
  })
}
