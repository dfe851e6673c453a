import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { Authenticate, Identity } from '../../types/options.js'
import { HELLO_PREFIX, MAX_HELLO_HEADER, SUBPROTOCOL } from '../protocol/version.js'
import type { Service } from '../connection/service.js'
import { PushError } from '../core/errors.js'
import { refusal, within } from '../core/hooks.js'
import { WebSocketSocket } from './websocket-socket.js'

export interface RouteOptions {
  readonly path: string
  readonly service: Service
  readonly authenticate: Authenticate | undefined
}

/** Adds the one WebSocket route. A plain request to it is told what it is. */
export function addRoute (fastify: FastifyInstance, { path, service, authenticate }: RouteOptions): void {
  fastify.route({
    method: 'GET',
    url: path,
    schema: { hide: true } as object,
    handler: (_request, reply) => reply.code(426).header('upgrade', 'websocket').send({ statusCode: 426, error: 'Upgrade Required', message: `This is a WebSocket of ${SUBPROTOCOL}` }),
    wsHandler: (webSocket, request) => welcome(webSocket, request, service, authenticate)
  })
}

// Everything is attached before the first await: frames that come early are not lost.
function welcome (webSocket: WebSocket, request: FastifyRequest, service: Service, authenticate: Authenticate | undefined): void {
  const { clock, settings } = service.broker
  const log = request.log
  const socket = new WebSocketSocket(webSocket, streamOf(webSocket, request), clock, settings.limits)
  // Ours to close, with a code: not the host's, and not @fastify/websocket's, which would close it without.
  request.server.websocketServer.clients.delete(webSocket)
  const connection = service.accept({ socket, log, authenticate: (token) => identify(request, token, service, authenticate) })
  socket.attach(connection, {
    onError: (error) => log.error({ err: error }, 'push: listener failed'),
    onSocketError: (error) => log.debug({ err: error }, 'push: socket failed')
  })
  if (webSocket.protocol !== SUBPROTOCOL) return connection.end('PUSH_VERSION')
  const hello = helloOf(request)
  if (hello !== null) connection.receive(hello)
}

/** The stream below a WebSocket. Of an injected one (`injectWS`) the request knows none. */
function streamOf (webSocket: WebSocket, request: FastifyRequest): Duplex {
  return request.raw.socket ?? (webSocket as unknown as { _socket: Duplex })._socket
}

/** The hello that came with the upgrade. [P-2.3] */
function helloOf (request: FastifyRequest): string | null {
  const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim())
  const hello = offered.find((each) => each.startsWith(HELLO_PREFIX))
  if (hello === undefined || hello.length > MAX_HELLO_HEADER) return null
  return Buffer.from(hello.slice(HELLO_PREFIX.length), 'base64url').toString('utf8')
}

async function identify (request: FastifyRequest, token: string | undefined, service: Service, authenticate: Authenticate | undefined): Promise<Identity | null> {
  if (authenticate === undefined) return null
  const { clock, settings } = service.broker
  let identity: Identity | null
  try {
    const asked = (async () => authenticate(request, { token }))()
    identity = await within(clock, settings.limits.hookTimeout, asked, () => new PushError('PUSH_UNAVAILABLE', 'authenticate did not answer in time'))
  } catch (error) {
    request.log.debug({ err: error }, 'push: not authenticated')
    throw refusal(error, 'PUSH_UNAUTHENTICATED')
  }
  if (typeof identity?.userId !== 'string' || identity.userId.length === 0 || identity.userId.length > 256) throw new PushError('PUSH_UNAUTHENTICATED')
  return identity
}
