import type { ConnectEvent } from '../../../types/hooks.js'
import type { Started } from '../../broker/subscribing.js'
import { toPushError } from '../../core/errors.js'
import type { HelloFrame, RefusedSubscription, SubscriptionRequest } from '../../protocol/frames.js'
import type { ConnectionContext, Peer } from '../context.js'
import { endOf, ExpiringCredentials } from '../credentials.js'
import { Session } from '../session.js'
import { begin } from './subscribe.js'

/** Answers the hello: who is it, which session, where does each subscription go on. [P-2.5] */
export async function greet (connection: ConnectionContext, hello: HelloFrame, authenticate: Peer['authenticate'], request?: ConnectEvent['request']): Promise<void> {
  const { service } = connection
  const { heartbeat, limits } = service.broker.settings
  const identity = await authenticate(hello.token, false)
  if (connection.ended) return
  const end = endOf(identity, service.broker.clock)
  const session = new Session(service.broker, hello, identity)
  connection.session = session
  if (!service.enter(connection, session)) return
  const hook = service.broker.hooks.connect
  if (hook !== null) await hook({ client: session.client, ...(request === undefined ? {} : { request }) })
  connection.entered()
  if (connection.ended) return
  if (end !== Infinity) connection.credentials = new ExpiringCredentials(connection, authenticate, end)
  const [resumed, subscriptions] = await Promise.all([session.find(), beginAll(connection, hello.subscriptions ?? [])])
  if (connection.ended) return
  const expiresIn = connection.credentials?.expiresIn
  connection.send({
    type: 'welcome',
    clientId: session.client.clientId,
    resumed,
    sessionTtl: session.ttl,
    ...(expiresIn === undefined ? {} : { expiresIn }),
    heartbeat,
    spread: service.spread,
    limits: { frameBytes: limits.frameBytes, publishesInFlight: limits.publishesInFlight },
    subscriptions: subscriptions.map((each) => 'code' in each ? each : each.verdict)
  })
  for (const subscription of connection.subscriptions.values()) subscription.start()
}

// A refused subscription refuses itself alone; a storage that does not answer refuses the connection.
function beginAll (connection: ConnectionContext, requests: readonly SubscriptionRequest[]): Promise<(Started | RefusedSubscription)[]> {
  const unique = [...new Map(requests.map((request) => [request.channel, request])).values()]
  return Promise.all(unique.map(async (request) => {
    try {
      return await begin(connection, request)
    } catch (error) {
      const { code, limit } = toPushError(error, 'PUSH_INTERNAL')
      if (code.startsWith('PUSH_STORAGE')) throw error
      return { channel: request.channel, code, ...(limit === undefined ? {} : { limit }) }
    }
  }))
}
