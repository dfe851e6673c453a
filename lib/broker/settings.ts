import type { FastifyPushOptions } from '../../types/index.js'
import { parseDuration } from '../core/duration.js'
import { PushError } from '../core/errors.js'

/** The plugin's options with every default filled in; durations in milliseconds. */
export interface Settings {
  readonly heartbeat: { readonly interval: number, readonly timeout: number }
  readonly session: { readonly ttl: number, readonly namedTtl: number }
  readonly idWindow: number
  readonly limits: {
    readonly frameBytes: number
    readonly helloTimeout: number
    readonly subscriptions: number
    readonly publishesInFlight: number
    readonly window: number
    readonly bufferedBytes: number
    readonly historyPage: number
    readonly silence: number
    readonly closeGrace: number
    readonly hookTimeout: number
    readonly acceptedMessages: number
    readonly acceptedBytes: number
  }
}

type SettingsInput = Pick<FastifyPushOptions, 'heartbeat' | 'session' | 'idWindow' | 'limits'>

/** Checks what the host gave and fills in the defaults. Throws `PUSH_OPTIONS` with the name of the wrong option. */
export function readSettings ({ heartbeat = {}, session = {}, idWindow = '5m', limits = {} }: SettingsInput): Settings {
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
    limits: {
      frameBytes: count(limits.frameBytes, 64 * 1024, 'frameBytes'),
      helloTimeout: parseDuration(limits.helloTimeout ?? '10s', 'limits.helloTimeout'),
      subscriptions: count(limits.subscriptions, 1000, 'subscriptions'),
      publishesInFlight: count(limits.publishesInFlight, 256, 'publishesInFlight'),
      window: count(limits.window, 256, 'window'),
      bufferedBytes: count(limits.bufferedBytes, 1024 * 1024, 'bufferedBytes'),
      historyPage: count(limits.historyPage, 1000, 'historyPage'),
      silence: parseDuration(limits.silence ?? '300s', 'limits.silence'),
      closeGrace: parseDuration(limits.closeGrace ?? '2s', 'limits.closeGrace'),
      hookTimeout: parseDuration(limits.hookTimeout ?? '5s', 'limits.hookTimeout'),
      acceptedMessages: count(limits.acceptedMessages, 10_000, 'acceptedMessages'),
      acceptedBytes: count(limits.acceptedBytes, 16 * 1024 * 1024, 'acceptedBytes')
    }
  }
}

function count (value: number | undefined, fallback: number, what: string): number {
  if (value === undefined) return fallback
  if (!Number.isSafeInteger(value) || value < 1) throw new PushError('PUSH_OPTIONS', `limits.${what} must be a positive integer, not ${JSON.stringify(value)}`)
  return value
}
