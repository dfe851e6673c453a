import { parseDuration } from '../../core/duration.js'
import { PushError } from '../../core/errors.js'
import type { Client } from './connection.js'
import type { Durability } from './replicas.js'

/** The longest that a timer runs, in milliseconds. */
const LONGEST = 2 ** 31 - 1

/** Options of a Redis storage. */
export interface RedisStorageOptions {
  /**
   * The ioredis client of the host: of one server, of what Sentinel says is the master, or of a Cluster; as `@fastify/redis` has it in `fastify.redis`. It serves as a
   * model for connections of the adapter's own, which it closes; no command goes through the client itself, and it is not closed.
   */
  readonly client: Client
  /** What all keys and pub/sub channels begin with, after the client's own `keyPrefix`. Nodes with the same one share everything; pub/sub does not know databases, so two services on one server need two. Default: `push`. */
  readonly prefix?: string
  /** How long Redis has to answer, as a number of milliseconds or a text such as `3s`. Default: 3 s. */
  readonly timeout?: number | string
  /** Operations that may be under way or wait at once; more are refused with `PUSH_BUSY`. Default: 10,000. */
  readonly inFlight?: number
  /** How often what was heard is compared with the logs. Default: 30 s. */
  readonly compare?: number | string
  /**
   * A publish is acknowledged only when `replicas` have it, as Redis' `WAIT` says; if they have not within `timeout` (default 1 s, less than the other `timeout`) its outcome is
   * unknown. It costs a connection of its own, for publishes. Default: as soon as the master has it.
   */
  readonly durability?: { readonly replicas: number, readonly timeout?: number | string }
}

/** The options as they hold; durations in milliseconds. */
export interface RedisSettings {
  readonly client: Client
  /** With the client's own `keyPrefix` before it. */
  readonly prefix: string
  readonly timeout: number
  readonly inFlight: number
  readonly compare: number
  readonly durability: Durability | undefined
}

/** Checks options and fills in what they leave out. Throws `PUSH_OPTIONS`. */
export function readOptions (options: RedisStorageOptions): RedisSettings {
  const wrong = (why: string): PushError => new PushError('PUSH_OPTIONS', `redisStorage: ${why}`)
  if (typeof options !== 'object' || options === null) throw wrong('options must be an object')
  const { client, prefix = 'push', timeout = 3000, inFlight = 10_000, compare = 30_000, durability } = options
  if (typeof client?.duplicate !== 'function') throw wrong('client must be an ioredis client')
  if (typeof prefix !== 'string' || prefix.length === 0 || /[{}\s]/.test(prefix)) throw wrong('prefix must be a text without braces and spaces')
  const limit = readDuration(timeout, 'timeout')
  if (!Number.isSafeInteger(inFlight) || inFlight < 1) throw wrong('inFlight must be a positive integer')
  return {
    client,
    prefix: `${client.options.keyPrefix ?? ''}${prefix}`,
    timeout: limit,
    inFlight,
    compare: readDuration(compare, 'compare'),
    durability: durability === undefined ? undefined : readDurability(durability, limit, wrong)
  }
}

function readDuration (value: number | string, name: string): number {
  const what = `redisStorage: ${name}`
  const ms = parseDuration(value, what)
  if (ms > LONGEST) throw new PushError('PUSH_OPTIONS', `${what} must not be more than ${LONGEST} ms, which is about 24 days`)
  return ms
}

function readDurability (durability: NonNullable<RedisStorageOptions['durability']>, limit: number, wrong: (why: string) => PushError): Durability {
  if (typeof durability !== 'object' || !Number.isSafeInteger(durability?.replicas) || durability.replicas < 1) throw wrong('durability.replicas must be a positive integer')
  const timeout = Math.ceil(readDuration(durability.timeout ?? 1000, 'durability.timeout')) // WAIT takes no fractions
  if (timeout >= limit) throw wrong('durability.timeout must be less than timeout')
  return { replicas: durability.replicas, timeout }
}
