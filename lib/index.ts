import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type { ChannelOptions, FastifyPushOptions, PresenceOptions, Push } from '../types/index.js'
import { Broker } from './broker/broker.js'
import type { HookScope } from './broker/hooks.js'
import { readSettings, type Settings } from './broker/settings.js'
import { Control } from './connection/control.js'
import { Service } from './connection/service.js'
import { quietClock } from './core/clock.js'
import { PushError } from './core/errors.js'
import { Seldom } from './core/seldom.js'
import { codes } from './protocol/codes.js'
import { originCheck } from './http/origin.js'
import { endRefusedUpgrades } from './http/refused-upgrades.js'
import { addRoute } from './http/route.js'
import { perInstance } from './http/instances.js'
import { addWebSocketServer } from './http/websocket-server.js'
import { memoryStorage } from './storage/memory/index.js'

export type * from '../types/index.js'
export { PushError } from './core/errors.js'
export { defineChannels } from './define-channels.js'
export { codes, type Code } from './protocol/codes.js'
export { memoryStorage, type MemoryStats, type MemoryStorage, type MemoryStorageOptions } from './storage/memory/index.js'

/** Least time between two lines of the log about the same trouble with the storage, in milliseconds. */
const QUIET = 10_000

const plugin: FastifyPluginAsync<FastifyPushOptions> = async (fastify, options) => {
  if (fastify.hasDecorator('push')) throw new PushError('PUSH_REGISTERED')
  const settings = readOptions(options)
  const isOwnOrigin = originCheck(options.origins)
  const seldom = new Seldom(quietClock, QUIET)
  const onError = (error: unknown) => {
    // A storage that is away fails whatever any client asks for.
    const held = isFlood(error) ? seldom.ask(describe(error)) : 0
    if (held !== null) fastify.log.error({ err: error, ...(held > 0 && { held }) }, 'push: storage or hook failed')
  }
  const broker = new Broker({
    storage: options.storage ?? memoryStorage(),
    settings,
    clock: quietClock,
    defer: setImmediate,
    authorize: options.authorize,
    onError,
    onWarning: (text) => fastify.log.warn(`push: ${text}`),
    onPublishFailed: (error, channel) => {
      const { code, id, cause } = error
      const held = isFlood(error) ? seldom.ask(`publish: ${describe(error)}`) : 0
      if (held !== null) fastify.log.warn({ code, id, channel, err: cause, ...(held > 0 && { held }) }, 'push: publish failed')
    }
  })
  for (const [pattern, channel] of Object.entries(options.channels ?? {})) broker.declare(pattern, channel)
  if (options.authenticate === undefined) fastify.log.warn('push: every connection is anonymous: no `authenticate` was given')
  await broker.open()
  fastify.addHook('onClose', () => keepAlive(broker.close())) // also where the start fails from here on
  const service = new Service(broker)
  const control = new Control(service, onError)
  await control.open()

  endRefusedUpgrades(fastify)
  // Before @fastify/websocket adds its own, which closes without a code and waits for peers that never answer.
  fastify.addHook('onReady', async () => broker.hooks.start())
  fastify.addHook('preClose', async () => {
    await service.close()
    await control.close()
  })
  const pushOf = perInstance(fastify, broker.hooks.root, (scope) => face(broker, service, control, scope))
  fastify.decorate('push', {
    getter () { return pushOf(this) },
    setter () { throw new PushError('PUSH_REGISTERED') } // a plugin within that would decorate the name: it finds the property inherited, and assigns
  })
  await fastify.register(async (inner) => {
    const { frameBytes, closeGrace } = settings.limits
    await addWebSocketServer(fastify, inner, { websocket: options.websocket, frameBytes, closeGrace, compression: settings.compression })
    addRoute(inner, { path: options.path ?? '/push', service, authenticate: options.authenticate, isOwnOrigin })
  }, options.prefix === undefined ? {} : { prefix: options.prefix })
}

/**
 * WebSocket message push for Fastify 5: adds one WebSocket route and `fastify.push`.
 * For WebSocket routes of its own the host registers `@fastify/websocket`, before or after.
 */
export const fastifyPush = fp(plugin, { fastify: '5.x', name: 'fastify-push' })

// `require('fastify-push')` is the plugin too.
export { fastifyPush as default, fastifyPush as 'module.exports' }

// What fails because something is away that everything needs.
const isFlood = (error: unknown): error is PushError => error instanceof PushError && codes[error.code].status > 500
const describe = ({ code, cause, message }: PushError): string => `${code} ${cause instanceof Error ? cause.message : message}`.replace(/[\d.]+ ?ms/g, '') // when it is tried again is no other trouble

// Closing is seen through: the timers that bound it keep no process alive.
async function keepAlive (work: Promise<void>): Promise<void> {
  const timer = setInterval(() => {}, 1000)
  try {
    await work
  } finally {
    clearInterval(timer)
  }
}

function readOptions (options: FastifyPushOptions): Settings {
  for (const name of ['authenticate', 'authorize'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function') throw new PushError('PUSH_OPTIONS', `${name} must be a function`)
  }
  if (options.path !== undefined && !/^\/[^\s?#]*$/.test(options.path)) throw new PushError('PUSH_OPTIONS', "path must begin with '/'")
  for (const name of ['heartbeat', 'session', 'inbox', 'presence', 'limits', 'channels', 'websocket'] as const) {
    if (options[name] !== undefined && !isObject(options[name])) throw new PushError('PUSH_OPTIONS', `${name} must be an object`)
  }
  if (options.compression !== undefined && typeof options.compression !== 'boolean' && !isObject(options.compression)) throw new PushError('PUSH_OPTIONS', 'compression must be a boolean or an object')
  if (options.storage !== undefined && !PORTS.every((port) => isObject(options.storage?.[port]))) {
    throw new PushError('PUSH_OPTIONS', `storage must be a storage adapter with ${PORTS.join(', ')}`)
  }
  return readSettings(options)
}

const PORTS = ['log', 'cursors', 'feed', 'sessions', 'presence', 'supports'] as const

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function face (broker: Broker, service: Service, control: Control, scope: HookScope): Push {
  return {
    // What a pattern's parameters and data are is only known to the compiler.
    channel: (pattern, options) => broker.declare(pattern, options as unknown as ChannelOptions, scope),
    addHook: (name, hook) => broker.hooks.add(scope, name, hook),
    publish: (channel, data, options) => broker.publish(channel, data, options),
    send: (userId, data, options) => broker.send(userId, data, options),
    unread: (userId, options) => broker.unread(userId, options),
    history: (channel, options) => broker.history(channel, options),
    receipt: (channel, position, options) => broker.receipt(channel, position, options),
    presence: ((channel: string, options?: PresenceOptions) => broker.membersOf(channel, options)) as Push['presence'],
    online: ((users: string | readonly string[]) => broker.online(users)) as Push['online'],
    lastSeen: (user) => broker.members.lastSeen(user),
    asyncapi: (options) => broker.asyncapi(options),
    clients: (target) => control.clients(target),
    stats: () => ({ connections: service.size, refusedConnections: service.refused, subscriptions: service.subscriptions, ...broker.stats() })
  }
}
