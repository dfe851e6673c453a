import { PushError } from '../../core/errors.js'
import { parseDuration } from '../../core/duration.js'
import type { StorageAdapter, StorageContext } from '../../../types/storage.js'
import { Lifecycle } from '../lifecycle.js'
import { ClusterSubscriber } from './cluster-subscriber.js'
import { connect, duplicate, end, serversOf, type Client, type ClusterConnection, type Connection } from './connection.js'
import { RedisCursors } from './cursors.js'
import { RedisFeed } from './feed.js'
import { Keys } from './keys.js'
import { RedisLog } from './log.js'
import { inspect } from './inspection.js'
import { Operations } from './operations.js'
import { RedisPresence } from './presence.js'
import { Pulse } from './pulse.js'
import type { Durability } from './replicas.js'
import { RedisSessions } from './sessions.js'
import { Subscriber } from './subscriber.js'
import { Troubles } from './troubles.js'
import { PING } from './lua/script.js'

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

/**
 * Storage in Redis 7 or later, for one node or many. Nodes, their clients and Redis itself may vanish at any time: what Redis still has goes on, and what it has lost is told
 * to every subscriber concerned.
 * Throws `PUSH_OPTIONS` for options that cannot be.
 */
export function redisStorage (options: RedisStorageOptions): StorageAdapter {
  const { client, prefix, timeout, inFlight, compare, durability } = read(options)
  const announce = client.isCluster ? 'spublish' : 'publish'
  const lifecycle = new Lifecycle()
  const keys = new Keys(prefix)
  const operations = new Operations({ lifecycle, isCluster: client.isCluster, timeout, inFlight })
  const onError = (error: unknown): void => lifecycle.report(error)
  // Whoever waits for replicas keeps the connection for itself meanwhile.
  const appending = durability === undefined ? operations : new Operations({ lifecycle, isCluster: client.isCluster, timeout, inFlight, durability })
  const log = new RedisLog({ keys, operations, appending, announce, timeout, inFlight })
  const sessions = new RedisSessions(keys, operations, onError)
  const hearing = {
    timeout,
    // In Cluster, what concerns a channel is only where the channel is; what concerns all, everywhere.
    isSharded: (name: string) => client.isCluster && name !== keys.claims,
    onMessage: (name: string, message: Buffer) => name === keys.claims ? sessions.heard(message) : feed.heard(name, message),
    onRestored: (names: readonly string[]) => {
      if (names.includes(keys.claims)) sessions.interrupted()
      feed.interrupted(names)
    },
    onTrouble: (error: Error) => told.tell(error)
  }
  const told = new Troubles(onError)
  const watch = (connection: Connection): void => { connection.on('error', (error: Error) => told.tell(error)) }
  const subscriber = client.isCluster ? new ClusterSubscriber({ ...hearing, onConnection: watch }) : new Subscriber(hearing)
  const feed = new RedisFeed({ lifecycle, keys, operations, subscriber, log, announce, onError })
  const connections: Connection[] = []
  const pulse = new Pulse(() => [...connections.flatMap(serversOf), ...subscriber.connections], timeout)
  let comparing: NodeJS.Timeout | undefined

  function make (): Connection | ClusterConnection {
    const connection = duplicate(client, timeout)
    watch(connection)
    return connection
  }

  async function open (context: StorageContext): Promise<void> {
    const commands = make()
    connections.push(commands)
    operations.open(commands)
    if (appending !== operations) {
      const publishing = make()
      connections.push(publishing)
      appending.open(publishing)
    }
    if (subscriber instanceof Subscriber) subscriber.open(make())
    await Promise.all([...connections, ...subscriber.connections].map((connection) => connect(connection, timeout)))
    await inspect(commands, timeout, context.onError)
    if (subscriber instanceof ClusterSubscriber) await subscriber.open(commands as ClusterConnection)
    pulse.start()
    await subscriber.add(keys.claims)
    comparing = setInterval(() => { feed.compare().catch(onError) }, compare)
    comparing.unref()
  }

  async function finish (): Promise<void> {
    clearInterval(comparing)
    pulse.stop()
    await Promise.all([subscriber.close(), ...connections.splice(0).map(end)])
  }

  return {
    log,
    feed,
    sessions,
    cursors: new RedisCursors(keys, operations),
    presence: new RedisPresence({ keys, operations, announce }),
    supports: { durable: true, shared: true, certain: false },
    async open (context) {
      try {
        await lifecycle.open(context, () => open(context))
      } catch (error) {
        await finish()
        throw lifecycle.isClosed ? new PushError('PUSH_STORAGE_CLOSED') : error
      }
    },
    async close () {
      lifecycle.close()
      operations.close()
      appending.close()
      await finish()
    },
    async health () {
      try {
        await operations.read(PING, { keys: [keys.leases], args: [], tag: keys.leases })
        return subscriber.isLive ? { ok: true } : { ok: false, reason: 'not listening' }
      } catch (error) {
        return { ok: false, reason: reasonOf(error as Error) }
      }
    }
  }
}

// What Redis said is of more use than what it means for an operation.
const reasonOf = ({ message, cause }: Error): string => cause instanceof Error ? cause.message : message

function read (options: RedisStorageOptions): { client: Client, prefix: string, timeout: number, inFlight: number, compare: number, durability: Durability | undefined } {
  const wrong = (why: string): PushError => new PushError('PUSH_OPTIONS', `redisStorage: ${why}`)
  if (typeof options !== 'object' || options === null) throw wrong('options must be an object')
  const { client, prefix = 'push', timeout = 3000, inFlight = 10_000, compare = 30_000, durability } = options
  if (typeof client?.duplicate !== 'function') throw wrong('client must be an ioredis client')
  if (typeof prefix !== 'string' || prefix.length === 0 || /[{}\s]/.test(prefix)) throw wrong('prefix must be a text without braces and spaces')
  const limit = parseDuration(timeout, 'redisStorage: timeout')
  if (!Number.isSafeInteger(inFlight) || inFlight < 1) throw wrong('inFlight must be a positive integer')
  return {
    client,
    prefix: `${client.options.keyPrefix ?? ''}${prefix}`,
    timeout: limit,
    inFlight,
    compare: parseDuration(compare, 'redisStorage: compare'),
    durability: durability === undefined ? undefined : readDurability(durability, limit, wrong)
  }
}

function readDurability (durability: NonNullable<RedisStorageOptions['durability']>, limit: number, wrong: (why: string) => PushError): Durability {
  if (typeof durability !== 'object' || !Number.isSafeInteger(durability?.replicas) || durability.replicas < 1) throw wrong('durability.replicas must be a positive integer')
  const timeout = parseDuration(durability.timeout ?? 1000, 'redisStorage: durability.timeout')
  if (timeout >= limit) throw wrong('durability.timeout must be less than timeout')
  return { replicas: durability.replicas, timeout }
}
