import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type { FastifyPushOptions, Push } from '../types/index.js'
import { Broker } from './broker/broker.js'
import { readSettings, type Settings } from './broker/settings.js'
import { Service } from './connection/service.js'
import { systemClock, type Clock } from './core/clock.js'
import { PushError } from './core/errors.js'
import { addRoute } from './http/route.js'
import { SUBPROTOCOL } from './protocol/version.js'
import { memoryStorage } from './storage/memory/index.js'

export type * from '../types/index.js'
export { PushError } from './core/errors.js'
export { codes, type Code } from './protocol/codes.js'
export { memoryStorage } from './storage/memory/index.js'

// The server's timers never keep a process alive by themselves.
const clock: Clock = {
  ...systemClock,
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms).unref()
    return () => clearTimeout(timer)
  }
}

const plugin: FastifyPluginAsync<FastifyPushOptions> = async (fastify, options) => {
  if (fastify.hasDecorator('push')) throw new PushError('PUSH_REGISTERED')
  const settings = readOptions(options)
  const broker = new Broker({
    storage: options.storage ?? memoryStorage(),
    settings,
    clock,
    defer: setImmediate,
    authorize: options.authorize,
    onError: (error) => fastify.log.error({ err: error }, 'push: storage or hook failed'),
    onPublishFailed: ({ code, id, cause }, channel) => fastify.log.warn({ code, id, channel, err: cause }, 'push: publish failed')
  })
  for (const [pattern, channel] of Object.entries(options.channels ?? {})) broker.declare(pattern, channel)
  if (options.authenticate === undefined) fastify.log.warn('push: every connection is anonymous: no `authenticate` was given')
  await broker.open()
  const service = new Service(broker)

  // Before @fastify/websocket adds its own, which closes without a code and waits for peers that never answer.
  fastify.addHook('preClose', () => service.close())
  fastify.addHook('onClose', () => broker.close())
  fastify.decorate('push', face(broker, service))
  await addWebSocket(fastify, options, settings)
  await fastify.register(async (inner) => {
    addRoute(inner, { path: options.path ?? '/push', service, authenticate: options.authenticate })
  }, options.prefix === undefined ? {} : { prefix: options.prefix })
}

/**
 * WebSocket message push for Fastify 5: adds one WebSocket route and `fastify.push`.
 * Register `@fastify/websocket` before it or not at all.
 */
export const fastifyPush = fp(plugin, { fastify: '5.x', name: 'fastify-push' })

// `require('fastify-push')` is the plugin too.
export { fastifyPush as default, fastifyPush as 'module.exports' }

function readOptions (options: FastifyPushOptions): Settings {
  for (const name of ['authenticate', 'authorize'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function') throw new PushError('PUSH_OPTIONS', `${name} must be a function`)
  }
  if (options.path !== undefined && !/^\/[^\s?#]*$/.test(options.path)) throw new PushError('PUSH_OPTIONS', "path must begin with '/'")
  return readSettings(options)
}

// One @fastify/websocket serves all of a server's WebSocket routes. Where the host has it already, its options are the host's.
async function addWebSocket (fastify: FastifyInstance, options: FastifyPushOptions, { limits }: Settings): Promise<void> {
  if (!fastify.hasDecorator('websocketServer')) {
    const { options: server, ...rest } = options.websocket ?? {}
    await fastify.register(websocket, {
      errorHandler: (error, socket, request) => {
        request.log.debug({ err: error }, 'push: socket failed')
        socket.terminate()
      },
      ...rest,
      options: { maxPayload: limits.frameBytes, handleProtocols: chooseProtocol, ...FRAGMENT_LIMITS, ...server }
    })
    return
  }
  const { maxPayload = 0, perMessageDeflate } = fastify.websocketServer.options
  if (maxPayload === 0 || maxPayload > limits.frameBytes) {
    fastify.log.warn({ maxPayload, frameBytes: limits.frameBytes }, 'push: @fastify/websocket was registered with a larger maxPayload than limits.frameBytes')
  }
  if (perMessageDeflate !== false && perMessageDeflate !== undefined) {
    fastify.log.warn('push: @fastify/websocket was registered with perMessageDeflate: every connection may cost it a zlib context')
  }
}

// ws ≥ 8.21 bounds what an unfinished message may hold (CVE-2026-62389); its own defaults are generous.
const FRAGMENT_LIMITS = { maxFragments: 1024, maxBufferedChunks: 4096 }

function chooseProtocol (offered: Set<string>): string | false {
  return offered.has(SUBPROTOCOL) ? SUBPROTOCOL : [...offered][0] ?? false
}

function face (broker: Broker, service: Service): Push {
  return {
    channel: (pattern, options) => broker.declare(pattern, options),
    publish: (channel, data, options) => broker.publish(channel, data, options),
    history: (channel, options) => broker.history(channel, options),
    stats: () => ({ connections: service.size, subscriptions: service.subscriptions, ...broker.stats() })
  }
}
