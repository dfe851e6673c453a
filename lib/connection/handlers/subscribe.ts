import type { Started } from '../../broker/subscribing.js'
import { PushError } from '../../core/errors.js'
import type { SubscribeFrame, SubscriptionRequest } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext } from '../context.js'

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
export async function begin (connection: ConnectionContext, { channel: name, qos, position, rewind }: SubscriptionRequest): Promise<Started> {
  const { broker } = connection.service
  const session = sessionOf(connection)
  const channel = broker.channels.reach(name, session.client)
  assertRoom(connection, name)
  await broker.permissions.check('subscribe', channel, session.client)
  // To begin in the past is to read it.
  if (rewind !== undefined && rewind > 0) await broker.permissions.check('history', channel, session.client)
  await channel.rules.hooks.subscribe?.({ channel: channel.name, params: channel.params, client: session.client, qos })
  const started = await broker.subscribe({ channel, session: session.key, client: session.client, qos, position, rewind, outlet: connection.outgoing })
  try {
    if (connection.ended) throw new PushError('PUSH_CLOSED')
    assertRoom(connection, name) // others may have begun meanwhile
  } catch (error) {
    started.subscription.close()
    throw error
  }
  connection.subscriptions.get(name)?.close()
  connection.subscriptions.set(name, started.subscription)
  return started
}

function assertRoom ({ subscriptions, service }: ConnectionContext, name: string): void {
  const limit = service.broker.settings.limits.subscriptions
  if (subscriptions.has(name)) return
  if (subscriptions.size >= limit) throw new PushError('PUSH_TOO_MANY', `more than ${limit} subscriptions`, { limit: 'subscriptions' })
  if (service.strained) throw new PushError('PUSH_BUSY', 'memory is nearly used up', { limit: 'heapUsed' })
}
