import { PushError } from '../../lib/core/errors.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import type { ManualClock } from '../../lib/testkit/index.js'
import type { FeedListener, StorageAdapter, StorageSupports } from '../../types/storage.js'
import { over } from './breaking.js'

/** How the adapters of a server behave when their announcements are cut off. */
export interface Faults {
  /** They do not say so. */
  readonly silent?: boolean
  /** They stay cut off. */
  readonly forGood?: boolean
}

/**
 * One memory storage behind any number of adapters, as a server would be: what is in it is shared, and outlives them. Each adapter has its
 * own beginning and end, and its own way on which announcements come.
 */
export class Server {
  readonly memory: StorageAdapter
  readonly #supports: StorageSupports
  readonly #faults: Faults
  readonly #cuts = new Map<StorageAdapter['feed'], () => void>()
  #opening: Promise<void> | null = null

  constructor (clock: ManualClock, supports: StorageSupports, faults: Faults = {}) {
    this.memory = memoryStorage({ clock })
    this.#supports = supports
    this.#faults = faults
  }

  adapter (): StorageAdapter {
    const { memory } = this
    let state: 'new' | 'open' | 'closed' = 'new'
    const releases = new Set<() => unknown>()
    const guarded = <Port extends object>(port: Port): Port => new Proxy(port, {
      get: (target, name) => (...args: unknown[]) => {
        const operation = Reflect.get(target, name) as (...args: unknown[]) => unknown
        if (state !== 'open' && name !== 'watch') return Promise.reject(new PushError('PUSH_STORAGE_CLOSED'))
        const outcome = operation.apply(target, args)
        if (name === 'watch') releases.add(outcome as () => unknown)
        return outcome
      }
    })
    const line = new Line(memory.feed, this.#faults)
    const feed = guarded(over(memory.feed, {
      join: async (channel, listener) => {
        const release = await line.join(channel, listener)
        releases.add(release)
        return release
      }
    }))
    this.#cuts.set(feed, () => line.cut())
    return {
      log: guarded(memory.log),
      cursors: guarded(memory.cursors),
      sessions: guarded(over(memory.sessions, { watch: (listener, interrupted) => line.watch(memory.sessions, listener, interrupted) })),
      presence: guarded(memory.presence),
      feed,
      supports: this.#supports,
      open: async (context) => {
        await (this.#opening ??= memory.open(context))
        if (state === 'closed') throw new PushError('PUSH_STORAGE_CLOSED')
        state = 'open'
      },
      close: async () => {
        state = 'closed'
        for (const release of releases) release()
      },
      health: async () => ({ ok: state === 'open' })
    }
  }

  /** Cuts off the announcements to an adapter. */
  interrupt ({ feed }: StorageAdapter): void {
    this.#cuts.get(feed)?.()
  }
}

/** The way on which announcements come to one adapter. */
class Line {
  readonly #feed: StorageAdapter['feed']
  readonly #faults: Faults
  readonly #listeners = new Set<Pick<FeedListener, 'interrupted'>>()
  #isCut = false

  constructor (feed: StorageAdapter['feed'], faults: Faults) {
    this.#feed = feed
    this.#faults = faults
  }

  async join (channel: string, listener: FeedListener): Promise<() => Promise<void>> {
    const heard = over(listener, { records: (batch) => { if (!this.#isCut) listener.records(batch) } })
    const release = await this.#feed.join(channel, heard)
    this.#listeners.add(heard)
    return async () => {
      this.#listeners.delete(heard)
      await release()
    }
  }

  watch (sessions: StorageAdapter['sessions'], listener: (session: string, generation: number) => void, interrupted = () => {}): () => void {
    const release = sessions.watch((...claim) => { if (!this.#isCut) listener(...claim) })
    const watcher = { interrupted }
    this.#listeners.add(watcher)
    return () => {
      this.#listeners.delete(watcher)
      release()
    }
  }

  cut (): void {
    this.#isCut = true
    setImmediate(() => {
      this.#isCut = this.#faults.forGood === true
      if (this.#faults.silent !== true) for (const listener of this.#listeners) listener.interrupted()
    })
  }
}
