import type { Action } from '../../types/options.js'
import type { Channel } from '../broker/channels.js'
import type { Answers } from '../broker/permissions.js'
import { sessionOf, type ConnectionContext } from './context.js'

/** Asks whether a connection's client may, as `Permissions.check` does; what its hooks answer for a time is kept in `answers`: the connection's. */
export function permit (connection: ConnectionContext, action: Action, channel: Channel, answers?: Answers): undefined | Promise<number> {
  const { permissions } = connection.service.broker
  const { client } = sessionOf(connection)
  return permissions.check(action, channel, client, permissions.asks(channel) ? answers ?? connection.grants.answers : undefined)
}
