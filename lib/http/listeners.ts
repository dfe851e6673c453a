import type { Socket as NetSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Connection } from '../connection/connection.js'
import type { WebSocketSocket } from './websocket-socket.js'

/** What a WebSocket's troubles are logged to. */
export interface SocketLog {
  debug (fields: object, text: string): void
  error (fields: object, text: string): void
}

/** What the listeners of one WebSocket know. */
interface Attached {
  readonly socket: WebSocketSocket
  readonly stream: Duplex
  readonly connection: Connection
  readonly log: SocketLog
  /** Bytes that had come when somebody last looked. */
  came: number
}

/** Where a WebSocket and its stream keep that, so that all of them can share the listeners: a closure each would be memory. */
const ATTACHED = Symbol('fastify-push.attached')

/** Hands what happens on a WebSocket, and on the stream below it, to its connection. */
export function listen (webSocket: WebSocket, stream: Duplex, socket: WebSocketSocket, connection: Connection, log: SocketLog): void {
  const attached: Attached = { socket, stream, connection, log, came: cameOn(stream) }
  Object.assign(webSocket, { [ATTACHED]: attached })
  Object.assign(stream, { [ATTACHED]: attached })
  webSocket.on('message', onMessage).on('ping', onControl).on('pong', onControl).on('close', onClose)
  // What breaks WebSocket itself ends with 1002, 1007 or 1009, which `ws` has sent by now. The listener of @fastify/websocket
  // would destroy the socket before the peer could read it.
  webSocket.removeAllListeners('error').on('error', onError)
  stream.on('drain', onDrain)
}

// A throw in a listener would end the host's process: here it ends this socket.
function guarded<Args extends unknown[]> (react: (attached: Attached, ...args: Args) => void) {
  return function (this: unknown, ...args: Args): void {
    const attached = (this as { [ATTACHED]: Attached })[ATTACHED]
    try {
      react(attached, ...args)
    } catch (error) {
      attached.log.error({ err: error }, 'push: listener failed')
      attached.socket.terminate()
    }
  }
}

const onMessage = guarded((attached, data: Buffer, isBinary: boolean) => {
  tellCame(attached)
  if (isBinary) attached.connection.receiveBinary()
  else attached.connection.receive(data.toString('utf8'), data.byteLength)
})

// `ws` answers pings by itself.
const onControl = guarded((attached, data: Buffer) => {
  tellCame(attached)
  attached.connection.receiveControl(data.byteLength)
})

// The peer broke WebSocket, or the network broke.
const onError = guarded(({ socket, stream, log }, error: Error) => {
  log.debug({ err: error }, 'push: socket failed')
  socket.closing()
  // `ws` would go on reading, for nothing: whatever still comes, be it a flood, stays with the sender. (In this tick `ws` still resumes.)
  process.nextTick(() => stream.pause())
})

const onClose = guarded(({ socket, connection }, code: number) => {
  socket.closed()
  connection.closed(code)
})

const onDrain = guarded(({ connection }) => connection.drained())

// All that ever came: a proxy may have used the socket for other requests before.
function cameOn (stream: Duplex): number {
  return (stream as Partial<NetSocket>).bytesRead ?? 0
}

// Whatever the bytes were part of: headers, fragments, and what is compressed count as they are on the wire. A message that never ends
// is not seen here; `ws` bounds it.
function tellCame (attached: Attached): void {
  const came = cameOn(attached.stream)
  attached.connection.came(came - attached.came)
  attached.came = came
}
