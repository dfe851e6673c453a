import websocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import type { Compression } from '../broker/shared-frame.js'
import { SUBPROTOCOL } from '../protocol/version.js'

export interface WebSocketServerOptions {
  /** The host's, for the server that is made here. */
  readonly websocket: WebsocketPluginOptions | undefined
  /** Bytes of one frame, at the most. */
  readonly frameBytes: number
  /** Milliseconds for a closing handshake. */
  readonly closeGrace: number
  /** `null`: not negotiated by the server that is made here. */
  readonly compression: Compression | null
}

// ws ≥ 8.21 bounds what an unfinished message may hold (CVE-2026-62389); its own defaults are generous.
const FRAGMENT_LIMITS = { maxFragments: 1024, maxBufferedChunks: 4096 }

/** No message refers to an earlier one: neither side has to keep anything between two of them. */
const PER_MESSAGE_DEFLATE = { serverNoContextTakeover: true, clientNoContextTakeover: true }

/**
 * Sees to it that `scope` can have WebSocket routes. Where the host has @fastify/websocket already, it serves them, with the
 * host's options. Otherwise it is registered for `scope` alone, so that the host, `outer`, may still register it for its own routes.
 */
export async function addWebSocketServer (outer: FastifyInstance, scope: FastifyInstance, options: WebSocketServerOptions): Promise<void> {
  if (outer.hasDecorator('websocketServer')) return checkHost(outer, options)
  const listeners = () => outer.server.listeners('upgrade') as Upgrade[]
  const others = new Set(listeners())
  await scope.register(websocket, ours(options))
  const added = listeners().filter((listener) => !others.has(listener))
  const take: Upgrade = (request, socket, head) => {
    if (!isTaken(socket)) for (const listener of added) listener(request, socket, head)
  }

  outer.addHook('onReady', async () => {
    // Each @fastify/websocket of the host would hand each upgrade to the same router: once is enough, and twice fails.
    for (const listener of added) outer.server.removeListener('upgrade', listener)
    if (outer.hasDecorator('websocketServer')) return // the host has registered it after all
    // Others may be in plugins beside, where nothing tells of them. So ours comes last.
    outer.server.on('upgrade', take)
    // For tests of the host; now that no decorator of that name can follow any more.
    outer.injectWS = scope.injectWS
  })
  scope.addHook('preClose', async () => { outer.server.removeListener('upgrade', take) })
}

type Upgrade = (...args: [request: unknown, socket: object, head: unknown]) => void

/** Whether a response has been given the socket of an upgrade: another listener has handed it to the router. */
const isTaken = (socket: { readonly _httpMessage?: object | null }): boolean => socket._httpMessage != null

function ours ({ websocket = {}, frameBytes, closeGrace, compression }: WebSocketServerOptions): WebsocketPluginOptions {
  const { options, ...rest } = websocket
  const closing = { closeTimeout: closeGrace } // not in the types of ws
  return {
    errorHandler: (error, socket, request) => {
      request.log.error({ err: error }, 'push: connecting failed')
      socket.terminate()
    },
    ...rest,
    options: {
      maxPayload: frameBytes,
      handleProtocols: chooseProtocol,
      perMessageDeflate: compression === null ? false : PER_MESSAGE_DEFLATE,
      ...closing,
      ...FRAGMENT_LIMITS,
      ...options
    }
  }
}

function chooseProtocol (offered: Set<string>): string | false {
  return offered.has(SUBPROTOCOL) ? SUBPROTOCOL : [...offered][0] ?? false
}

function checkHost ({ log, websocketServer }: FastifyInstance, { frameBytes, compression }: WebSocketServerOptions): void {
  const { maxPayload = 0, perMessageDeflate = false } = websocketServer.options
  if (maxPayload === 0 || maxPayload > frameBytes) {
    log.warn({ maxPayload, frameBytes }, 'push: @fastify/websocket was registered with a larger maxPayload than limits.frameBytes')
  }
  if (perMessageDeflate === false) {
    if (compression !== null) log.warn('push: nothing is compressed: @fastify/websocket was registered without perMessageDeflate')
  } else if (perMessageDeflate === true || perMessageDeflate.clientNoContextTakeover !== true) {
    log.warn('push: @fastify/websocket was registered without perMessageDeflate.clientNoContextTakeover: every connection may cost it a zlib context')
  }
}
