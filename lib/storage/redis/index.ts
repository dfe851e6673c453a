import { PushError } from '../../core/errors.js'
import type { StorageAdapter } from '../../../types/storage.js'
import { Lifecycle } from '../lifecycle.js'
import { RedisCursors } from './cursors.js'
import { RedisFeed } from './feed.js'
import { Keys } from './keys.js'
import { Links } from './links.js'
import { RedisLog } from './log.js'
import { PING } from './lua/script.js'
import { Operations } from './operations.js'
import { readOptions, type RedisStorageOptions } from './options.js'
import { RedisPresence } from './presence.js'
import { RedisSessions } from './sessions.js'

export type { RedisStorageOptions } from './options.js'

/**
 * Storage in Redis 7 or later, for one node or many. Nodes, their clients and Redis itself may vanish at any time: what Redis still has goes on, and what it has lost is told
 * to every subscriber concerned.
 * Throws `PUSH_OPTIONS` for options that cannot be.
 */
export function redisStorage (options: RedisStorageOptions): StorageAdapter {
  const { client, prefix, timeout, inFlight, compare, durability } = readOptions(options)
  const announce = client.isCluster ? 'spublish' : 'publish'
  const lifecycle = new Lifecycle()
  const onError = (error: unknown): void => lifecycle.report(error)
  const keys = new Keys(prefix)
  const work = { lifecycle, isCluster: client.isCluster, timeout, inFlight }
  const operations = new Operations(work)
  // Whoever waits for replicas keeps the connection for itself meanwhile.
  const appending = durability === undefined ? operations : new Operations({ ...work, durability })
  const log = new RedisLog({ keys, operations, appending, announce, timeout, inFlight })
  const sessions = new RedisSessions(keys, operations, onError)
  const links = new Links({
    client,
    timeout,
    operations,
    appending,
    onError,
    onWarning: (text) => lifecycle.warn(text),
    // In Cluster, what concerns a channel is only where the channel is; what concerns all, everywhere.
    isSharded: (name) => client.isCluster && name !== keys.claims,
    onMessage: (name, message) => name === keys.claims ? sessions.heard(message) : feed.heard(name, message),
    onRestored: (names) => {
      if (names.includes(keys.claims)) sessions.interrupted()
      feed.interrupted(names)
    }
  })
  const { subscriber } = links
  const feed = new RedisFeed({ lifecycle, keys, operations, subscriber, log, announce, onError })
  let comparing: NodeJS.Timeout | undefined

  async function open (): Promise<void> {
    await links.open()
    await subscriber.add(keys.claims)
    comparing = setInterval(() => { feed.compare().catch(onError) }, compare)
    comparing.unref()
  }

  async function finish (): Promise<void> {
    clearInterval(comparing)
    await links.close()
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
        await lifecycle.open(context, open)
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
        const ways = [...new Set([operations, appending])]
        await Promise.all(ways.map((way) => way.read(PING, { keys: [keys.leases], args: [], tag: keys.leases })))
        return subscriber.isLive ? { ok: true } : { ok: false, reason: 'not listening' }
      } catch (error) {
        return { ok: false, reason: reasonOf(error as Error) }
      }
    }
  }
}

// What Redis said is of more use than what it means for an operation.
const reasonOf = ({ message, cause }: Error): string => cause instanceof Error ? cause.message : message
