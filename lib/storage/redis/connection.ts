import type { Cluster, Redis } from 'ioredis'
import { quietClock } from '../../core/clock.js'
import { PushError } from '../../core/errors.js'
import { within } from '../../core/hooks.js'

/** A value that Redis takes, as it is. */
export type Argument = string | number | Uint8Array

/** What Redis answers: bulk strings as bytes. */
export type Reply = Buffer | number | null | Reply[]

/** What the adapter needs of a client, whether it speaks with one server, with what Sentinel says is the master, or with a Cluster. */
export interface Connection {
  readonly status: string
  connect (): Promise<void>
  disconnect (reconnect?: boolean): void
  quit (): Promise<unknown>
  on (event: string, listener: (...args: never[]) => void): unknown
  info (): Promise<string>
  callBuffer (command: string, ...args: Argument[]): Promise<Reply>
  subscribe (...channels: string[]): Promise<unknown>
  unsubscribe (...channels: string[]): Promise<unknown>
  ssubscribe (channel: string): Promise<unknown>
  sunsubscribe (channel: string): Promise<unknown>
}

/** The client that the host has. */
export type Client = Redis | Cluster

/** How long a connection has to end in order, in milliseconds. */
const GOODBYE = 500

// What fails fails at once, and nothing is sent again behind our back: a message would be refused late, or stored late.
const SETTINGS = {
  keyPrefix: '',
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  enableAutoPipelining: false,
  replyMapping: 'legacy'
} as const

const retryStrategy = (times: number): number => Math.min(50 * 2 ** Math.min(times - 1, 5), 1000) * (0.5 + Math.random() / 2)

/** A connection of the adapter's own, to where the host's client is connected, not yet made. */
export function duplicate (client: Client, connectTimeout: number): Connection {
  if (client.isCluster) {
    const { keyPrefix, lazyConnect, enableOfflineQueue, replyMapping, enableAutoPipelining, ...redisOptions } = SETTINGS
    return (client as Cluster).duplicate([], {
      keyPrefix,
      lazyConnect,
      enableAutoPipelining,
      shardedSubscribers: true,
      clusterRetryStrategy: retryStrategy,
      slotsRefreshTimeout: connectTimeout,
      redisOptions: { ...(client as Cluster).options.redisOptions, ...redisOptions, keyPrefix, autoResubscribe: true, connectTimeout, replyMapping }
    }) as unknown as Connection
  }
  const { sentinels } = (client as Redis).options
  return (client as Redis).duplicate({
    ...SETTINGS,
    connectTimeout,
    retryStrategy,
    // After a failover the connection may be to what is a replica now.
    ...(sentinels ? { reconnectOnError: (error: Error) => error.message.startsWith('READONLY') } : {})
  }) as unknown as Connection
}

/** Connects. Rejects with `PUSH_STORAGE_UNAVAILABLE` where that takes longer than `timeout`, and gives it up. */
export async function connect (connection: Connection, timeout: number): Promise<void> {
  try {
    await timely(connection.connect(), timeout)
  } catch (error) {
    connection.disconnect()
    throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'cannot connect to Redis', { cause: error })
  }
}

/** Ends a connection in order, or within the grace without. Never rejects. */
export async function end (connection: Connection): Promise<void> {
  if (connection.status === 'ready') await timely(connection.quit(), GOODBYE).catch(() => {})
  connection.disconnect()
}

/** Rejects with `PUSH_STORAGE_UNAVAILABLE` where Redis takes longer than `timeout` milliseconds. */
export function timely<Result> (work: Promise<Result>, timeout: number): Promise<Result> {
  return within(quietClock, timeout, work, () => new PushError('PUSH_STORAGE_UNAVAILABLE', `no answer within ${timeout} ms`))
}
