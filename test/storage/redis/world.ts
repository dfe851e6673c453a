import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { PushError } from '../../../lib/core/errors.js'
import { redisStorage, type RedisStorageOptions } from '../../../lib/storage/redis/index.js'
import type { AppendOutcome, Draft, FeedBatch, Page, StorageAdapter } from '../../../types/storage.js'
import { RedisServer } from '../../helpers/redis.js'

export { until } from '../../helpers/until.js'

export const ROOM = 'room/1'
export const ROOMY = { limit: 10_000, bytes: 10_000_000, ttl: 3_600_000 }
/** A read of everything. */
export const ALL = { from: 1, limit: 10_000, bytes: 10_000_000 }
/** For how long ids and cursors live. */
export const WINDOW = 60_000

/** A message of text, with an id if one is given. */
export function draft (text: string, id?: string): Draft {
  return { body: Buffer.from(text), qos: 1, ...(id === undefined ? {} : { id: { id, fingerprint: 'f', ttl: WINDOW } }) }
}

/** Appends to the one channel. */
export function append (storage: StorageAdapter, ...drafts: Draft[]): Promise<readonly AppendOutcome[]> {
  return storage.log.append(ROOM, drafts, ROOMY)
}

/** What was stored, as text. */
export function texts ({ records }: Page): string[] {
  return records.map(({ body }) => Buffer.from(body ?? []).toString())
}

/** `ok`, or the code of the PushError it rejects with; anything else as a text. */
export async function codeOf (work: Promise<unknown>): Promise<string> {
  return await work.then(() => 'ok', (error: unknown) => error instanceof PushError ? error.code : String(error))
}

/** An open storage. It is closed with the test. */
export async function openStorage (t: Test, options: RedisStorageOptions, errors: Error[] = [], warnings: string[] = []): Promise<StorageAdapter> {
  const storage = redisStorage({ timeout: 3000, ...options })
  t.teardown(() => storage.close())
  await storage.open({ onError: (error) => { errors.push(error) }, onWarning: (text) => { warnings.push(text) } })
  return storage
}

/** What a listener hears: the offsets of records, and interruptions. */
export async function listen (storage: StorageAdapter, channel = ROOM): Promise<{ readonly heard: Array<number | 'interrupted'>, readonly batches: FeedBatch[] }> {
  const heard: Array<number | 'interrupted'> = []
  const batches: FeedBatch[] = []
  await storage.feed.join(channel, {
    records: (batch) => {
      batches.push(batch)
      batch.records.forEach((_, i) => heard.push(batch.from + i))
    },
    volatile: () => {},
    interrupted: () => { heard.push('interrupted') }
  })
  return { heard, batches }
}

/** The different ones of what the host was told. */
export function troublesOf (errors: readonly Error[]): string[] {
  return [...new Set(errors.map(({ message }) => message.replace(/[\d.]+ ?ms/g, '')))]
}

/** A server, the host's client to it (through `port`, if given), and storages on it. All end with the test. */
export async function startWorld (t: Test, ...args: string[]): Promise<World> {
  const server = await RedisServer.start(...args)
  t.teardown(() => server.stop())
  return new World(t, server)
}

/** One server and what is connected to it. */
export class World {
  readonly #t: Test
  readonly server: RedisServer
  /** What the host was told. */
  readonly errors: Error[] = []
  readonly warnings: string[] = []

  constructor (t: Test, server: RedisServer) {
    this.#t = t
    this.server = server
  }

  /** A client of the test's own. */
  client ({ port = this.server.port, ...options }: { port?: number, keyPrefix?: string, lazyConnect?: boolean, username?: string, password?: string } = {}): Redis {
    const client = new Redis({ port, ...options })
    client.on('error', () => {})
    this.#t.teardown(() => client.disconnect())
    return client
  }

  async storage (options: Partial<RedisStorageOptions> = {}): Promise<StorageAdapter> {
    return await openStorage(this.#t, { client: this.client(), ...options }, this.errors, this.warnings)
  }
}
