import type { HistoryFrame } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'
import { permit } from '../permit.js'

/** Reads a page of the log. [P-6.1] */
export async function history (connection: ConnectionContext, { id, channel: name, limit, before, after, reverse }: HistoryFrame): Promise<void> {
  const { broker } = connection.service
  const { client } = sessionOf(connection)
  const channel = broker.channels.reach(name, client)
  await permit(connection, 'history', channel)
  const page = await inTurn(connection, () => broker.readHistory(channel, {
    ...(limit === undefined ? {} : { limit }),
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    ...(reverse === undefined ? {} : { reverse })
  }))
  await connection.outgoing.reads.inRoom(() => connection.send({
    type: 'history',
    id,
    channel: name,
    epoch: page.head.epoch,
    head: page.head.offset,
    next: page.next,
    messages: page.messages.map(({ channel, position, ...message }) => ({ offset: position?.offset ?? 0, ...message }))
  }))
}

// Pages are large: a few at a time, whatever a peer asks for at once, and none while it does not read.
async function inTurn<Page> ({ outgoing }: ConnectionContext, read: () => Promise<Page>): Promise<Page> {
  await outgoing.reads.turn()
  try {
    return await read()
  } finally {
    outgoing.reads.give()
  }
}
