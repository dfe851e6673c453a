import type { Cluster, Redis } from 'ioredis'
import { quietClock } from '../../core/clock.js'
import { PushError } from '../../core/errors.js'
import { within } from '../../core/hooks.js'
import { slotOf } from './slot.js'

/** A value that Redis takes, as it is. */
export type Argument = string | number | Uint8Array

/** What Redis answers: bulk strings as bytes. */
export type Reply = Buffer | number | null | Reply[]

/** A connection to one server. */
export interface Server {
  readonly status: string
  disconnect (reconnect?: boolean): void
  callBuffer (command: string, ...args: Argument[]): Promise<Reply>
}

/** What the adapter needs of a client, whether it speaks with one server, with what Sentinel says is the master, or with a Cluster. */
export interface Connection extends Server {
  connect (): Promise<void>
  quit (): Promise<unknown>
  on (event: string, listener: (...args: never[]) => void): unknown
  info (): Promise<string>
  subscribe (...channels: string[]): Promise<unknown>
  unsubscribe (...channels: string[]): Promise<unknown>
  ssubscribe (channel: string): Promise<unknown>
  sunsubscribe (channel: string): Promise<unknown>
}

/** A connection to the servers of a Cluster. */
export interface ClusterConnection extends Connection {
  /** By slot the servers that have it, `host:port`, the master first. */
  readonly slots: ReadonlyArray<readonly string[] | undefined>
  nodes (role?: 'master'): ReadonlyArray<Server & Pick<Redis, 'options' | 'duplicate' | 'info'>>
  refreshSlotsCache (callback: (error?: Error | null) => void): void
}

/** The client that the host has. */
export type Client = Redis | Cluster

/** How long a connection has to end in order, in milliseconds. */
const GOODBYE = 500

const retryStrategy = (times: number): number => Math.round(Math.min(50 * 2 ** Math.min(times - 1, 5), 1000) * (0.5 + Math.random() / 2))

// What fails fails at once, and nothing is sent again behind our back: a message would be refused late, or stored late, or twice.
// And what the host has chosen for itself must not change what is understood here.
const SETTINGS = {
  keyPrefix: '',
  stringNumbers: false,
  monitor: false,
  readOnly: false,
  enableReadyCheck: true,
  commandTimeout: undefined as unknown as number, // none: operations have their own
  reconnectOnError: () => false,
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  enableAutoPipelining: false,
  replyMapping: 'legacy',
  disconnectTimeout: GOODBYE
} as const

/** A connection of the adapter's own, to where the host's client is connected, not yet made. */
export function duplicate (client: Client, connectTimeout: number): Connection | ClusterConnection {
  if (isCluster(client)) {
    const { enableOfflineQueue, ...redisOptions } = SETTINGS // without the queues it does not begin
    return client.duplicate([], {
      keyPrefix: SETTINGS.keyPrefix,
      lazyConnect: SETTINGS.lazyConnect,
      enableAutoPipelining: SETTINGS.enableAutoPipelining,
      scaleReads: 'master',
      shardedSubscribers: false, // they do not notice a server that hangs, nor say what they missed
      clusterRetryStrategy: retryStrategy,
      clusterNodeRetryStrategy: null, // what is lost is found again by its slots
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      slotsRefreshTimeout: connectTimeout,
      redisOptions: { ...client.options.redisOptions, ...redisOptions, connectTimeout }
    }) as unknown as ClusterConnection
  }
  return client.duplicate({
    ...SETTINGS,
    connectTimeout,
    retryStrategy,
    sentinelRetryStrategy: retryStrategy,
    sentinelCommandTimeout: connectTimeout,
    // After a failover the connection may be to what is a replica now.
    ...(client.options.sentinels ? { reconnectOnError: (error: Error) => error.message.startsWith('READONLY') } : {})
  }) as unknown as Connection
}

const isCluster = (client: Client): client is Cluster => client.isCluster

/** The connections to single servers that a connection is made of. */
export function serversOf (connection: Connection | ClusterConnection): readonly Server[] {
  return 'nodes' in connection ? connection.nodes() : [connection]
}

/** Those to servers that are written to. */
export function mastersOf (connection: Connection | ClusterConnection): ReadonlyArray<Pick<Connection, 'info'>> {
  return 'nodes' in connection ? connection.nodes('master') : [connection]
}

/** The connection to the server that has a key; `undefined` where none is known to. */
export function masterOf (connection: Connection | ClusterConnection, key: string): Server | undefined {
  if (!('nodes' in connection)) return connection
  const server = connection.slots[slotOf(key)]?.[0]
  return connection.nodes().find(({ options: { host, port } }) => `${host}:${port}` === server)
}

/** Has a Cluster asked which server has which slots. */
export function look (connection: Connection | ClusterConnection): void {
  if ('nodes' in connection) connection.refreshSlotsCache(() => {})
}

/** A connection of its own to a server of a Cluster (`host:port`), not yet made; `undefined` for a server that is not known. */
export function duplicateServer (cluster: ClusterConnection, server: string, connectTimeout: number): Connection | undefined {
  const known = cluster.nodes().find(({ options: { host, port } }) => `${host}:${port}` === server)
  return known?.duplicate({ ...SETTINGS, connectTimeout, retryStrategy }) as unknown as Connection | undefined
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
