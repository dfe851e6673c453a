import type { Started, SubscribeRequest } from '../../broker/subscribing.js'
import type { Channel } from '../../broker/channels.js'
import { PushError, toPushError } from '../../core/errors.js'
import type { SubscribeFrame, SubscriptionRequest } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'
import { permit } from '../permit.js'

/** [P-3.1] */
export async function subscribe (connection: ConnectionContext, frame: SubscribeFrame): Promise<void> {
  const started = await begin(connection, frame)
  sessionOf(connection).follow(started.subscription)
  connection.send({ type: 'subscribed', id: frame.id, ...started.verdict })
  started.subscription.start()
}

/**
 * Begins a subscription for a connection, in place of one it may have had. Rejects with a code if it may not, or if the
 * connection has ended meanwhile.
 */
export async function begin (connection: ConnectionContext, request: SubscriptionRequest): Promise<Started> {
  const channel = connection.service.broker.channels.reach(request.channel, sessionOf(connection).client)
  assertRoom(connection, request.channel)
  const isAsked = connection.service.broker.permissions.asks(channel)
  const answers = isAsked ? connection.grants.answers : null
  const until = await permit(connection, 'subscribe', channel)
  // To begin in the past is to read it.
  if (request.rewind !== undefined && request.rewind > 0) await permit(connection, 'history', channel)
  const hook = channel.rules.hooks.subscribe
  if (hook !== null) await hook({ channel: channel.name, params: channel.params, client: sessionOf(connection).client, qos: request.qos, by: 'client' })
  const started = await attach(connection, channel, request, isAsked ? () => mayReadPast(connection, channel) : undefined)
  if (until !== undefined) connection.grants.hold(channel, until)
  if (answers !== null && connection.grants.answers !== answers) connection.grants.renew() // the yes was said of an identity before
  return started
}

async function mayReadPast (connection: ConnectionContext, channel: Channel): Promise<boolean> {
  try {
    await permit(connection, 'history', channel)
    return true
  } catch (error) {
    if (toPushError(error, 'PUSH_INTERNAL').retryable) throw error
    return false
  }
}

/** The same for a client of whom nobody asks whether it may. `mayReadPast`: asks whether it may begin earlier than the server knows it to have been; absent: it may. */
export async function attach (connection: ConnectionContext, channel: Channel, { qos, position, rewind }: Omit<SubscriptionRequest, 'channel'>, mayReadPast?: () => Promise<boolean>): Promise<Started> {
  if (channel.leased) return connection.service.readers.attach(connection, channel, qos)
  const since = connection.subscriptions.get(channel.wire)?.since
  return start(connection, { channel, session: sessionOf(connection).key, qos, position, rewind, mayReadPast, since, outlet: connection.outgoing })
}

/** The same, from the cursor of whichever session, and writing to whichever outlet. */
export async function start (connection: ConnectionContext, request: Omit<SubscribeRequest, 'client'>): Promise<Started> {
  const name = request.channel.wire
  const started = await connection.service.broker.subscribe({ ...request, client: sessionOf(connection).client })
  try {
    if (connection.ended) throw new PushError('PUSH_CLOSED')
    assertRoom(connection, name) // others may have begun meanwhile
  } catch (error) {
    started.subscription.close()
    throw error
  }
  connection.leave(name, null)
  started.subscription.client = sessionOf(connection).client // as it is known now
  connection.subscriptions.set(name, started.subscription)
  return started
}

function assertRoom ({ subscriptions, service }: ConnectionContext, name: string): void {
  const limit = service.broker.settings.limits.subscriptions
  if (subscriptions.has(name)) return
  if (subscriptions.size >= limit) throw new PushError('PUSH_TOO_MANY', `more than ${limit} subscriptions`, { limit: 'subscriptions' })
  if (service.strained) throw new PushError('PUSH_BUSY', 'memory is nearly used up', { limit: 'heapUsed' })
}
