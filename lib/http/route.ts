import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { Authenticate } from '../../types/options.js'
import { SUBPROTOCOL } from '../protocol/version.js'
import { COME_BACK, type Service } from '../connection/service.js'
import { readHello, takeHello } from './hello-offer.js'
import { Identification } from './identification.js'
import { listen } from './listeners.js'
import type { OriginCheck } from './origin.js'
import { SharedInflate } from './shared-inflate.js'
import { WebSocketSocket } from './websocket-socket.js'

export interface RouteOptions {
  readonly path: string
  readonly service: Service
  readonly authenticate: Authenticate | undefined
  /** Whose pages may connect. */
  readonly isOwnOrigin: OriginCheck
}

/** Milliseconds between two warnings of foreign origins: they come in floods. */
const WARN = 60_000

/** Adds the one WebSocket route. A plain request to it is told what it is. */
export function addRoute (fastify: FastifyInstance, { path, service, authenticate, isOwnOrigin }: RouteOptions): void {
  const { clock, settings } = service.broker
  const identification = new Identification({
    authenticate,
    clock,
    timeout: settings.limits.hookTimeout,
    onFault: (why) => fastify.log.warn(`push: authenticate gave what is no identity: ${why}`)
  })
  const foreign = refuseForeign(isOwnOrigin, service)
  // Before the router, which logs the request. What a proxy makes of an upgrade may be a plain request.
  fastify.server.prependListener('upgrade', takeHello).prependListener('request', takeHello)
  const inflate = new SharedInflate({
    frameBytes: settings.limits.frameBytes,
    onUnexpected: () => fastify.log.warn('push: this version of ws is not known: every connection with compression costs it a zlib context')
  })
  fastify.route({
    method: 'GET',
    url: path,
    schema: { hide: true } as object,
    onRequest: (request, reply, done) => {
      takeHello(request.raw) // where the host's upgrades come from another server
      if (request.headers.upgrade === undefined) return done()
      if (!foreign(request, reply)) admit(request, reply, service, done)
    },
    handler: (_request, reply) => reply.code(426).header('upgrade', 'websocket').send({ statusCode: 426, error: 'Upgrade Required', message: `This is a WebSocket of ${SUBPROTOCOL}` }),
    wsHandler: (webSocket, request) => {
      inflate.takeOver(webSocket)
      welcome(webSocket, request, service, identification)
    }
  })
}

// Returns whether an upgrade was refused, since it comes from a page of somebody else.
function refuseForeign (isOwnOrigin: OriginCheck, { broker: { clock } }: Service): (request: FastifyRequest, reply: FastifyReply) => boolean {
  let warnAt = -Infinity
  return (request, reply) => {
    if (isOwnOrigin(request)) return false
    if (clock.now() >= warnAt) {
      warnAt = clock.now() + WARN
      request.log.warn({ origin: request.headers.origin }, 'push: refused a page of an origin that `origins` does not allow')
    }
    reply.code(403).send({ statusCode: 403, code: 'PUSH_FORBIDDEN', message: 'this origin is not allowed' })
    return true
  }
}

// Where there is no room at all, to say so over HTTP is the cheapest. A page cannot see it, and comes back later as after any failure.
function admit (request: FastifyRequest, reply: FastifyReply, service: Service, done: () => void): void {
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
function welcome (webSocket: WebSocket, request: FastifyRequest, service: Service, identification: Identification): void {
  const { clock, settings } = service.broker
  const log = request.log
  const stream = streamOf(webSocket, request)
  const socket = new WebSocketSocket(webSocket, stream, clock, settings.limits)
  // Ours to close, with a code: not the host's, and not @fastify/websocket's, which would close it without.
  request.server.websocketServer.clients.delete(webSocket)
  const connection = service.accept({ socket, log, ip: addressOf(request), request, authenticate: (token, renewal) => identification.ask(request, token, renewal) })
  listen(webSocket, stream, socket, connection, log)
  if (webSocket.protocol !== SUBPROTOCOL) return connection.end('PUSH_VERSION')
  const hello = readHello(request.raw)
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
