import { toPushError } from '../../core/errors.js'
import type { ClientFrame } from '../../protocol/frames.js'
import type { ConnectionContext } from '../context.js'
import { acknowledge } from './ack.js'
import { drop } from './drop.js'
import { enter } from './enter.js'
import { history } from './history.js'
import { leave } from './leave.js'
import { presence } from './presence.js'
import { publish } from './publish.js'
import { subscribe } from './subscribe.js'
import { renew } from './token.js'
import { unread } from './unread.js'
import { unsubscribe } from './unsubscribe.js'

/** Gives a frame of a connection that owns its session to its handler. Never throws. */
export function handle (connection: ConnectionContext, frame: ClientFrame): void {
  switch (frame.type) {
    case 'ack': return acknowledge(connection, frame)
    case 'publish': return publish(connection, frame)
    case 'ping': return connection.send({ type: 'pong' })
    case 'pong': return
    case 'subscribe': return answer(connection, frame, () => subscribe(connection, frame))
    case 'unsubscribe': return answer(connection, frame, () => unsubscribe(connection, frame))
    case 'history': return answer(connection, frame, () => history(connection, frame))
    case 'unread': return answer(connection, frame, () => unread(connection, frame))
    case 'token': return answer(connection, { id: frame.id }, () => renew(connection, frame))
    case 'enter': return answer(connection, frame, () => enter(connection, frame))
    case 'leave': return answer(connection, frame, () => leave(connection, frame))
    case 'presence': return answer(connection, frame, () => presence(connection, frame))
    case 'drop': return drop(connection, frame)
    case 'hello': return connection.end('PUSH_BAD_FRAME') // a second one
  }
}

// Requests for one channel are served in their order: the last one asked for is what holds in the end. A refused one is
// answered by an error frame with its id. [P-3.4]
function answer (connection: ConnectionContext, { id, channel }: { id: number, channel?: string }, work: () => Promise<void>): void {
  const { turns, service } = connection
  if (turns.waiting >= service.broker.settings.limits.requestsInFlight) return connection.end('PUSH_TOO_MANY', { limit: 'requestsInFlight' })
  turns.run(channel ?? '', work).catch((error: unknown) => {
    const { code, message, cause, limit } = toPushError(error, 'PUSH_INTERNAL')
    if (code === 'PUSH_INTERNAL') connection.log.warn({ err: cause ?? error }, 'push: request failed')
    connection.send({ type: 'error', id, ...(channel === undefined ? {} : { channel }), code, ...(limit === undefined ? {} : { limit }), text: message })
  })
}
