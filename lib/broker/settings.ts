import type { FastifyPushOptions, InboxListener, Retention } from '../../types/index.js'
import { parseDuration } from '../core/duration.js'
import { PushError } from '../core/errors.js'
import type { Compression } from './shared-frame.js'

/** Whether users are known to be online, and how long a lost connection is still a member unless its channel says otherwise. */
export interface PresenceSettings {
  readonly online: boolean
  readonly grace: number
}

/** The plugin's options with every default filled in; durations in milliseconds. */
export interface Settings {
  readonly heartbeat: { readonly interval: number, readonly timeout: number }
  readonly session: { readonly ttl: number, readonly namedTtl: number }
  readonly idWindow: number
  readonly inbox: Retention & { readonly notifyAfter: number, readonly onWaiting: InboxListener | undefined, readonly onExpired: InboxListener | undefined }
  readonly presence: PresenceSettings
  readonly compression: Compression | null
  readonly limits: {
    readonly frameBytes: number
    readonly helloTimeout: number
    readonly subscriptions: number
    readonly publishesInFlight: number
    readonly window: number
    readonly requestsInFlight: number
    readonly framesPerSecond: number
    readonly bytesPerSecond: number
    readonly connections: number
    readonly connectionsPerIp: number
    readonly connectionsPerUser: number
    readonly heapUsed: number
    readonly bufferedBytes: number
    readonly bufferedBytesTotal: number
    readonly slowAfter: number
    readonly stalled: number
    readonly historyPage: number
    readonly silence: number
    readonly closeGrace: number
    readonly hookTimeout: number
    readonly acceptedMessages: number
    readonly acceptedBytes: number
  }
}

type SettingsInput = Pick<FastifyPushOptions, 'heartbeat' | 'session' | 'idWindow' | 'inbox' | 'presence' | 'compression' | 'limits'>

/** Checks what the host gave and fills in the defaults. Throws `PUSH_OPTIONS` with the name of the wrong option. */
export function readSettings ({ heartbeat = {}, session = {}, idWindow = '5m', inbox = {}, presence = {}, compression = false, limits = {} }: SettingsInput): Settings {
  const subscriptions = count(limits.subscriptions, 1000, 'subscriptions')
  return {
    heartbeat: {
      interval: parseDuration(heartbeat.interval ?? '25s', 'heartbeat.interval'),
      timeout: parseDuration(heartbeat.timeout ?? '10s', 'heartbeat.timeout')
    },
    session: {
      ttl: parseDuration(session.ttl ?? '2m', 'session.ttl'),
      namedTtl: parseDuration(session.namedTtl ?? '30d', 'session.namedTtl')
    },
    idWindow: parseDuration(idWindow, 'idWindow'),
    inbox: {
      limit: count(inbox.limit, 1000, 'inbox.limit'),
      bytes: count(inbox.bytes, 1024 * 1024, 'inbox.bytes'),
      ttl: parseDuration(inbox.ttl ?? '30d', 'inbox.ttl'),
      notifyAfter: parseDuration(inbox.notifyAfter ?? '30s', 'inbox.notifyAfter'),
      onWaiting: listener(inbox.onWaiting, 'inbox.onWaiting'),
      onExpired: listener(inbox.onExpired, 'inbox.onExpired')
    },
    presence: readPresence(presence),
    compression: readCompression(compression),
    limits: {
      frameBytes: count(limits.frameBytes, 64 * 1024, 'frameBytes'),
      helloTimeout: parseDuration(limits.helloTimeout ?? '10s', 'limits.helloTimeout'),
      subscriptions,
      publishesInFlight: count(limits.publishesInFlight, 256, 'publishesInFlight'),
      window: count(limits.window, 256, 'window'),
      // A request for each channel may well come at once.
      requestsInFlight: count(limits.requestsInFlight, Math.max(1024, subscriptions), 'requestsInFlight'),
      // Whoever is too fast is slowed down and never closed, so these protect others and need not fit everybody. At two
      // hundred bytes a frame they are the same rate: some tenth of a processor. A client's full outbox (1,000 messages, 1 MiB) fits at once.
      framesPerSecond: count(limits.framesPerSecond, 5000, 'framesPerSecond'),
      bytesPerSecond: count(limits.bytesPerSecond, 1024 * 1024, 'bytesPerSecond'),
      // At some 15 KB each: what a default heap holds. Many people share an address (offices, carriers, a proxy that
      // `trustProxy` does not know), so one may have a fifth of them all.
      connections: count(limits.connections, 50_000, 'connections'),
      connectionsPerIp: count(limits.connectionsPerIp, 10_000, 'connectionsPerIp'),
      connectionsPerUser: count(limits.connectionsPerUser, 100, 'connectionsPerUser'),
      heapUsed: fraction(limits.heapUsed, 0.9, 'heapUsed'),
      bufferedBytes: count(limits.bufferedBytes, 1024 * 1024, 'bufferedBytes'),
      bufferedBytesTotal: count(limits.bufferedBytesTotal, 256 * 1024 * 1024, 'bufferedBytesTotal'),
      slowAfter: parseDuration(limits.slowAfter ?? '5s', 'limits.slowAfter'),
      stalled: parseDuration(limits.stalled ?? '30s', 'limits.stalled'),
      historyPage: count(limits.historyPage, 1000, 'historyPage'),
      silence: parseDuration(limits.silence ?? '300s', 'limits.silence'),
      closeGrace: parseDuration(limits.closeGrace ?? '2s', 'limits.closeGrace'),
      hookTimeout: parseDuration(limits.hookTimeout ?? '5s', 'limits.hookTimeout'),
      acceptedMessages: count(limits.acceptedMessages, 10_000, 'acceptedMessages'),
      acceptedBytes: count(limits.acceptedBytes, 16 * 1024 * 1024, 'acceptedBytes')
    }
  }
}

function count (value: number | undefined, fallback: number, name: string): number {
  const what = name.includes('.') ? name : `limits.${name}`
  if (value === undefined) return fallback
  if (!Number.isSafeInteger(value) || value < 1) throw new PushError('PUSH_OPTIONS', `${what} must be a positive integer, not ${JSON.stringify(value)}`)
  return value
}

function listener (value: InboxListener | undefined, what: string): InboxListener | undefined {
  if (value !== undefined && typeof value !== 'function') throw new PushError('PUSH_OPTIONS', `${what} must be a function`)
  return value
}

function fraction (value: number | undefined, fallback: number, what: string): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) throw new PushError('PUSH_OPTIONS', `limits.${what} must be a number above 0 and up to 1, not ${JSON.stringify(value)}`)
  return value
}

function readPresence ({ online = true, grace = '15s' }: NonNullable<FastifyPushOptions['presence']>): PresenceSettings {
  if (typeof online !== 'boolean') throw new PushError('PUSH_OPTIONS', 'presence.online must be a boolean')
  return { online, grace: parseDuration(grace, 'presence.grace') }
}

function readCompression (option: FastifyPushOptions['compression']): Compression | null {
  if (option === false || option === undefined) return null
  const { threshold = 1024 } = option === true ? {} : option
  if (!Number.isSafeInteger(threshold) || threshold < 0) throw new PushError('PUSH_OPTIONS', `compression.threshold must be a number of bytes, not ${JSON.stringify(threshold)}`)
  return { threshold }
}
