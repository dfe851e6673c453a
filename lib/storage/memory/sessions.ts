import type { Clock } from '../../core/clock.js'
import type { SessionStore } from '../../../types/storage.js'
import { ExpiringMap, type Expiring } from './expiring-map.js'
import { Teller } from '../teller.js'
import type { Lifecycle } from '../lifecycle.js'

interface Session extends Expiring {
  readonly generation: number
}

type Watcher = (session: string, generation: number) => void

/** The sessions, in memory. */
export class MemorySessions implements SessionStore {
  readonly #lifecycle: Lifecycle
  readonly #clock: Clock
  readonly #sessions: ExpiringMap<Session>
  readonly #watchers = new Set<{ readonly listener: Watcher }>()
  readonly #teller: Teller
  // One counter for all sessions, so that a session made anew is never fenced by what its forerunner wrote. It begins
  // at the time of day, for the same reason: the cursors may be in another storage, which outlives this process.
  #generation: number

  constructor (lifecycle: Lifecycle, clock: Clock, limit: number) {
    this.#sessions = new ExpiringMap(limit)
    this.#lifecycle = lifecycle
    this.#clock = clock
    this.#teller = new Teller((error) => lifecycle.report(error))
    this.#generation = Math.floor(clock.timestamp()) * 1000
  }

  async find (session: string): Promise<{ readonly generation: number } | null> {
    this.#lifecycle.assertOpen()
    const found = this.#sessions.get(session, this.#clock.now())
    return found === undefined ? null : { generation: found.generation }
  }

  async claim (session: string, ttl: number): Promise<{ readonly generation: number }> {
    this.#lifecycle.assertOpen()
    const generation = ++this.#generation
    this.#give(session, generation, ttl)
    return { generation }
  }

  async acquire (session: string, ttl: number, from = 0): Promise<{ readonly generation: number } | null> {
    this.#lifecycle.assertOpen()
    const found = this.#sessions.get(session, this.#clock.now())
    return found === undefined || found.generation <= from ? this.claim(session, ttl) : null
  }

  async restore (session: string, generation: number, ttl: number): Promise<boolean> {
    this.#lifecycle.assertOpen()
    const found = this.#sessions.get(session, this.#clock.now())
    if (found !== undefined && found.generation > generation) return false
    this.#generation = Math.max(this.#generation, generation)
    this.#give(session, generation, ttl)
    return true
  }

  async touch (session: string, generation: number, ttl: number): Promise<boolean> {
    this.#lifecycle.assertOpen()
    if (this.#sessions.get(session, this.#clock.now())?.generation !== generation) return false
    this.#live(session, generation, ttl)
    return true
  }

  async remove (session: string, generation: number): Promise<void> {
    this.#lifecycle.assertOpen()
    const found = this.#sessions.get(session, this.#clock.now())
    if (found !== undefined && found.generation <= generation) this.#sessions.delete(session)
  }

  watch (listener: Watcher): () => void {
    const watcher = { listener }
    this.#watchers.add(watcher)
    return () => { this.#watchers.delete(watcher) }
  }

  /** Drops what has expired; yields after each session. */
  sweep (now: () => number): Generator<void, void> {
    return this.#sessions.sweep(now)
  }

  clear (): void {
    this.#sessions.clear()
    this.#watchers.clear()
  }

  #give (session: string, generation: number, ttl: number): void {
    this.#live(session, generation, ttl)
    this.#teller.tell(this.#watchers, ({ listener }) => listener(session, generation))
  }

  #live (session: string, generation: number, ttl: number): void {
    const now = this.#clock.now()
    this.#sessions.add(session, { generation, until: now + ttl }, now)
  }
}
