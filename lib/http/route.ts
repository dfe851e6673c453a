import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { Authenticate, Identity } from '../../types/options.js'
import { HELLO_PREFIX, MAX_HELLO_HEADER, SUBPROTOCOL } from '../protocol/version.js'
import { COME_BACK, type Service } from '../connection/service.js'
import { PushError } from '../core/errors.js'
import { refusal, within } from '../core/hooks.js'
import { listen } from './listeners.js'
import { SharedInflate } from './shared-inflate.js'
import { WebSocketSocket } from './websocket-socket.js'

export interface RouteOptions {
  readonly path: string
  readonly service: Service
  readonly authenticate: Authenticate | undefined
}

/** Adds the one WebSocket route. A plain request to it is told what it is. */
export function addRoute (fastify: FastifyInstance, { path, service, authenticate }: RouteOptions): void {
  const inflate = new SharedInflate({
    frameBytes: service.broker.settings.limits.frameBytes,
    onUnexpected: () => fastify.log.warn('push: this version of ws is not known: every connection with compression costs it a zlib context')
  })
  fastify.route({
    method: 'GET',
    url: path,
    schema: { hide: true } as object,
    onRequest: (request, reply, done) => admit(request, reply, service, done),
    handler: (_request, reply) => reply.code(426).header('upgrade', 'websocket').send({ statusCode: 426, error: 'Upgrade Required', message: `This is a WebSocket of ${SUBPROTOCOL}` }),
    wsHandler: (webSocket, request) => {
      inflate.takeOver(webSocket)
      welcome(webSocket, request, service, authenticate)
    }
  })
}

// Where there is no room at all, to say so over HTTP is the cheapest. A page cannot see it, and comes back later as after any failure.
function admit (request: FastifyRequest, reply: FastifyReply, service: Service, done: () => void): void {
  if (request.headers.upgrade === undefined) return done()
  const limit = service.atDoor(addressOf(request), request.log)
  if (limit === null) {
    holdBack(request)
    return done()
  }
  const status = limit === 'connectionsPerIp' ? 429 : 503
  reply.code(status).header('retry-after', Math.ceil(COME_BACK[0] / 1000)).send({ statusCode: status, code: 'PUSH_TOO_MANY', limit, message: 'no room for another connection' })
}

// The answer to the upgrade, the welcome and what was missed leave in one write, where all of it is known at once: when thousands come back
// together, writes are among what costs the most. What this tick has gathered is written between the two callbacks.
function holdBack ({ raw: { socket } }: FastifyRequest): void {
  if (typeof socket?.cork !== 'function') return // injected
  socket.cork()
  setImmediate(() => setImmediate(() => socket.uncork()))
}

// Everything is attached before the first await: frames that come early are not lost.
function welcome (webSocket: WebSocket, request: FastifyRequest, service: Service, authenticate: Authenticate | undefined): void {
  const { clock, settings } = service.broker
  const log = request.log
  const stream = streamOf(webSocket, request)
  const socket = new WebSocketSocket(webSocket, stream, clock, settings.limits)
  // Ours to close, with a code: not the host's, and not @fastify/websocket's, which would close it without.
  request.server.websocketServer.clients.delete(webSocket)
  const connection = service.accept({ socket, log, ip: addressOf(request), request, authenticate: (token) => identify(request, token, service, authenticate) })
  listen(webSocket, stream, socket, connection, log)
  if (webSocket.protocol !== SUBPROTOCOL) return connection.end('PUSH_VERSION')
  const hello = helloOf(request)
  if (hello !== null) connection.receive(hello)
}

/** The stream below a WebSocket. Of an injected one (`injectWS`) the request knows none. */
function streamOf (webSocket: WebSocket, request: FastifyRequest): Duplex {
  return request.raw.socket ?? (webSocket as unknown as { _socket: Duplex })._socket
}

/** Where a request comes from, as the host's `trustProxy` says. Of an injected one it is not known. */
function addressOf (request: FastifyRequest): string | undefined {
  return request.raw.socket === undefined ? undefined : request.ip
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
