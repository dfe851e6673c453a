import type { PushError } from '../../lib/core/errors.js'
import type { Code } from '../../lib/protocol/codes.js'
import type { Position } from '../../types/message.js'
import type { CursorCommit, Draft, FeedBatch, FeedListener, LogState, StorageAdapter } from '../../types/storage.js'
import type { Random } from './random.js'
import type { Process, Scheduler } from './scheduler.js'

/** How often what goes wrong between a node and the store; chances in [0, 1], times in milliseconds. */
export interface StorageFaults {
  latency: number
  /** The request is lost: nothing happens. */
  lostRequest: number
  /** It happens, and the reply is lost. */
  lostReply: number
  /** The caller has given it up as unknown, and it happens afterwards. */
  late: number
  dropBatch: number
  repeatBatch: number
}

/** Who watches what really happens in the store. */
export interface StoreTap {
  stored (channel: string, draft: Draft, position: Position): void
  removed (channel: string, session: string): void
  claimed (session: string, generation: number, node: string): void
  committed (channel: string, commit: CursorCommit, outcome: 'committed' | 'fenced', before: Position | null, after: Position | null): void
}

const TIMEOUT = 1000

interface Joined {
  readonly process: Process
  readonly channel: string
  readonly listener: FeedListener
  released: boolean
  /** The newest batch that this node lost and nothing has shown since. */
  lost: { epoch: string, to: number } | null
  leave: (() => Promise<void>) | undefined
}

interface Watching { readonly process: Process, readonly listener: (session: string, generation: number) => void, leave: () => void }

type ErrorOf = (code: Code) => PushError

/** One store that all nodes share, each through a link of its own that delays, loses and reorders. */
export class SharedStore {
  readonly faults: StorageFaults
  /** While true, every request fails at once. */
  down = false
  readonly #make: () => StorageAdapter
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #tap: StoreTap
  readonly #error: ErrorOf
  readonly #joined = new Set<Joined>()
  readonly #watching = new Set<Watching>()
  #inner: StorageAdapter

  constructor (options: { make: () => StorageAdapter, scheduler: Scheduler, random: Random, faults: StorageFaults, tap: StoreTap, error: ErrorOf }) {
    this.#make = options.make
    this.#scheduler = options.scheduler
    this.#random = options.random
    this.faults = options.faults
    this.#tap = options.tap
    this.#error = options.error
    this.#inner = this.#make()
  }

  async open (): Promise<void> {
    await this.#inner.open({ onError: (error) => { throw error } })
  }

  close (): Promise<void> {
    return this.#inner.close()
  }

  /** The store is gone, with all its logs, cursors and sessions; an empty one stands in its place. */
  async lose (): Promise<void> {
    const old = this.#inner
    this.#inner = this.#make()
    await this.open()
    await old.close()
    for (const joined of this.#joined) {
      await this.#listen(joined)
      this.#interrupt(joined)
    }
    for (const watching of this.#watching) watching.leave = this.#hear(watching)
  }

  /** All faults end. */
  heal (): void {
    this.down = false
    Object.assign(this.faults, { latency: 5, lostRequest: 0, lostReply: 0, late: 0, dropBatch: 0, repeatBatch: 0 })
  }

  /** What the log really is. */
  async state (channel: string): Promise<LogState> {
    return this.#inner.log.read(channel, { from: 1, limit: 0, bytes: 0 })
  }

  /** Where the session's cursor really stands. */
  cursor (channel: string, session: string): Promise<Position | null> {
    return this.#inner.cursors.load(channel, session)
  }

  /** The store as one node has it. */
  view (process: Process): StorageAdapter {
    const call = <T> (perform: () => Promise<T>, mayBeLate = false): Promise<T> => this.#call(process, perform, mayBeLate)
    return {
      supports: { durable: true, shared: true, certain: false },
      open: async () => {},
      close: async () => {},
      health: async () => this.down ? { ok: false, reason: 'down' } : { ok: true },
      log: {
        append: (channel, drafts, retention) => call(async () => {
          const outcomes = await this.#inner.log.append(channel, drafts, retention)
          drafts.forEach((draft, i) => {
            const outcome = outcomes[i]
            if (outcome?.status === 'stored') this.#tap.stored(channel, draft, outcome.position)
          })
          return outcomes
        }, true),
        recognise: (channel, key) => call(() => this.#inner.log.recognise(channel, key)),
        read: (channel, query) => call(() => this.#inner.log.read(channel, query))
      },
      cursors: {
        load: (channel, session) => call(() => this.#inner.cursors.load(channel, session)),
        commit: (channel, commits) => call(() => this.#commit(channel, commits), true),
        reached: (channel, query) => call(() => this.#inner.cursors.reached(channel, query)),
        remove: (channel, session, generation) => call(async () => {
          await this.#inner.cursors.remove(channel, session, generation)
          this.#tap.removed(channel, session)
        })
      },
      feed: {
        join: (channel, listener) => this.#join(process, channel, listener),
        broadcast: (channel, bodies) => call(() => this.#inner.feed.broadcast(channel, bodies))
      },
      sessions: {
        find: (session) => call(() => this.#inner.sessions.find(session)),
        claim: (session, ttl) => call(async () => {
          const claimed = await this.#inner.sessions.claim(session, ttl)
          this.#tap.claimed(session, claimed.generation, process.name)
          return claimed
        }),
        acquire: (session, ttl, from) => call(async () => {
          const acquired = await this.#inner.sessions.acquire(session, ttl, from)
          if (acquired !== null) this.#tap.claimed(session, acquired.generation, process.name)
          return acquired
        }),
        restore: (session, generation, ttl) => call(() => this.#inner.sessions.restore(session, generation, ttl)),
        touch: (session, generation, ttl) => call(() => this.#inner.sessions.touch(session, generation, ttl)),
        remove: (session, generation) => call(() => this.#inner.sessions.remove(session, generation)),
        watch: (listener) => this.#watch(process, listener)
      },
      presence: {
        enter: (channel, member, change) => call(() => this.#inner.presence.enter(channel, member, change), true),
        leave: (channel, fence, change) => call(() => this.#inner.presence.leave(channel, fence, change), true),
        list: (channel, query) => call(() => this.#inner.presence.list(channel, query)),
        counts: (channels) => call(() => this.#inner.presence.counts(channels)),
        lastSeen: (channel) => call(() => this.#inner.presence.lastSeen(channel)),
        renew: (node, ttl) => call(() => this.#inner.presence.renew(node, ttl)),
        orphans: (limit) => call(() => this.#inner.presence.orphans(limit)),
        held: (node, query) => call(() => this.#inner.presence.held(node, query))
      }
    }
  }

  async #commit (channel: string, commits: readonly CursorCommit[]): Promise<ReadonlyArray<'committed' | 'fenced'>> {
    const { cursors } = this.#inner
    const before = await Promise.all(commits.map((commit) => cursors.load(channel, commit.session)))
    const outcomes = await cursors.commit(channel, commits)
    const after = await Promise.all(commits.map((commit) => cursors.load(channel, commit.session)))
    commits.forEach((commit, i) => {
      this.#tap.committed(channel, commit, outcomes[i] as 'committed' | 'fenced', before[i] ?? null, after[i] ?? null)
    })
    return outcomes
  }

  /** A request travels, happens, and its reply travels back; or something of that is lost. */
  #call<T> (process: Process, perform: () => Promise<T>, mayBeLate: boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!process.alive) return
      const { lostRequest, lostReply, late } = this.faults
      const random = this.#random
      const there = this.#latency()
      const fail = (code: Code, ms: number) => process.later(ms, () => reject(this.#error(code)))
      if (this.down) return fail('PUSH_STORAGE_UNAVAILABLE', 1)
      if (random.chance(lostRequest)) return fail('PUSH_STORAGE_UNAVAILABLE', TIMEOUT)
      if (mayBeLate && random.chance(late)) {
        fail('PUSH_STORAGE_UNKNOWN', TIMEOUT)
        this.#scheduler.later(TIMEOUT + random.int(1, 3000), () => { perform().catch(() => {}) })
        return
      }
      const lost = random.chance(lostReply)
      if (lost) fail('PUSH_STORAGE_UNKNOWN', TIMEOUT)
      this.#scheduler.later(there, () => {
        perform().then((value) => {
          if (!lost) process.later(this.#latency(), () => resolve(value))
        }, (error: unknown) => process.later(this.#latency(), () => reject(error)))
      })
    })
  }

  #latency (): number {
    return this.#random.skewed(this.faults.latency)
  }

  // ---- feed

  #join (process: Process, channel: string, listener: FeedListener): Promise<() => Promise<void>> {
    const joined: Joined = { process, channel, listener, released: false, lost: null, leave: undefined }
    return this.#call(process, async () => {
      this.#joined.add(joined)
      await this.#listen(joined)
      return async () => {
        joined.released = true
        this.#joined.delete(joined)
        await joined.leave?.()
      }
    }, false)
  }

  async #listen (joined: Joined): Promise<void> {
    joined.leave = await this.#inner.feed.join(joined.channel, {
      records: (batch) => this.#announce(joined, batch),
      volatile: (bodies) => {
        if (!this.#random.chance(this.faults.dropBatch)) this.#later(joined, () => joined.listener.volatile(bodies))
      },
      interrupted: () => this.#later(joined, () => joined.listener.interrupted())
    })
  }

  #announce (joined: Joined, batch: FeedBatch): void {
    const to = batch.from + batch.records.length - 1
    if (this.#random.chance(this.faults.dropBatch)) {
      joined.lost = { epoch: batch.epoch, to }
      this.#scheduler.later(this.#random.int(0, 2000), () => { if (joined.lost !== null) this.#interrupt(joined) })
      return
    }
    const tell = () => {
      if (joined.lost !== null && joined.lost.epoch === batch.epoch && batch.from > joined.lost.to) joined.lost = null
      joined.listener.records(batch)
    }
    this.#later(joined, tell)
    if (this.#random.chance(this.faults.repeatBatch)) this.#later(joined, () => joined.listener.records(batch))
  }

  #interrupt (joined: Joined): void {
    joined.lost = null
    this.#later(joined, () => joined.listener.interrupted())
  }

  #later (joined: Joined, tell: () => void): void {
    joined.process.later(this.#latency(), () => { if (!joined.released) tell() })
  }

  // ---- sessions

  #watch (process: Process, listener: (session: string, generation: number) => void): () => void {
    const watching: Watching = { process, listener, leave: () => {} }
    watching.leave = this.#hear(watching)
    this.#watching.add(watching)
    return () => {
      this.#watching.delete(watching)
      watching.leave()
    }
  }

  #hear ({ process, listener }: Watching): () => void {
    return this.#inner.sessions.watch((session, generation) => {
      if (!this.#random.chance(this.faults.dropBatch)) process.later(this.#latency(), () => listener(session, generation))
    })
  }
}
