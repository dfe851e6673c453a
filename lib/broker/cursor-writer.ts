import type { Position } from '../../types/message.js'
import type { CursorCommit, CursorStore } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'

/** Pause before a failed commit is tried again, in milliseconds. */
const RETRY = 500

/** What became of a commit. */
export type CommitOutcome = (outcome: 'committed' | 'fenced', position: Position) => void

interface Pending {
  readonly commit: CursorCommit
  readonly done: CommitOutcome
}

const isBeyond = (a: Position, b: Position): boolean => a.epoch === b.epoch && a.offset > b.offset

// Of one owner: a user's cursor has many writers, and the one that comes later may be behind.
const isAhead = (a: CursorCommit, b: CursorCommit): boolean => a.generation === b.generation && isBeyond(a.position, b.position)

/** What is in one call of the storage, by session. */
interface Flight {
  readonly batch: ReadonlyMap<string, Pending>
  readonly landed: Promise<void>
}

/** The commits of one channel: one call in flight, and what has gathered for the next. */
interface Lane {
  pending: Map<string, Pending>
  flight: Flight | null
}

const isAboard = ({ flight }: Lane, session: string): boolean => flight?.batch.has(session) ?? false

/**
 * Writes cursors behind: acknowledgements of many sessions become one storage call a channel, and while that is under way the
 * newest position of each session waits for the next one. A stored cursor may lag, never lead.
 */
export class CursorWriter {
  readonly #store: CursorStore
  readonly #clock: Clock
  readonly #defer: (callback: () => void) => void
  readonly #onError: (error: unknown) => void
  readonly #lanes = new Map<string, Lane>()
  #closed = false

  constructor (store: CursorStore, clock: Clock, defer: (callback: () => void) => void, onError: (error: unknown) => void) {
    this.#store = store
    this.#clock = clock
    this.#defer = defer
    this.#onError = onError
  }

  /** Commits soon. A later write of the same session replaces one that has not left yet. Failures are tried again. */
  write (channel: string, commit: CursorCommit, done: CommitOutcome): void {
    if (this.#closed) return
    let lane = this.#lanes.get(channel)
    if (lane === undefined) this.#lanes.set(channel, lane = { pending: new Map(), flight: null })
    const idle = lane.pending.size === 0 && lane.flight === null
    // A late write of an old connection does not take the place of its successor's.
    const waiting = lane.pending.get(commit.session)
    if (waiting !== undefined && waiting.commit.generation > commit.generation) return done('fenced', commit.position)
    // A user's cursor has many writers, and the furthest counts.
    if (waiting !== undefined && isBeyond(waiting.commit.position, commit.position)) return
    lane.pending.set(commit.session, { commit, done })
    if (idle) this.#defer(() => this.#send(channel, lane))
  }

  /** Resolves when what was written for a session is stored, or will not be. Never rejects. */
  async written (channel: string, session: string): Promise<void> {
    // In a busy channel one flight follows the other: only those count that the session is in.
    for (let lane = this.#lanes.get(channel); lane !== undefined && (isAboard(lane, session) || lane.pending.has(session)); lane = this.#lanes.get(channel)) {
      await (lane.flight?.landed ?? new Promise<void>((resolve) => this.#defer(resolve)))
    }
  }

  /** Forgets a session's cursor, after whatever is under way for it. */
  async remove (channel: string, session: string, generation: number): Promise<void> {
    let lane = this.#lanes.get(channel)
    for (; lane !== undefined && isAboard(lane, session); lane = this.#lanes.get(channel)) { // a failed commit comes back to `pending`
      lane.pending.delete(session)
      await lane.flight?.landed
    }
    lane?.pending.delete(session)
    await this.#store.remove(channel, session, generation)
  }

  /** Resolves when nothing is left to write. Failures are not tried again from now on. */
  async close (): Promise<void> {
    this.#closed = true
    for (const [channel, lane] of this.#lanes) this.#send(channel, lane)
    while (this.#lanes.size > 0) await Promise.all([...this.#lanes.values()].map((lane) => lane.flight?.landed))
  }

  #send (channel: string, lane: Lane): void {
    if (lane.flight !== null) return
    if (lane.pending.size === 0) {
      this.#lanes.delete(channel)
      return
    }
    const batch = lane.pending
    lane.pending = new Map()
    const landed = this.#commit(channel, lane, [...batch.values()]).then(() => {
      lane.flight = null
      this.#send(channel, lane)
    })
    lane.flight = { batch, landed }
  }

  // Never rejects.
  async #commit (channel: string, lane: Lane, batch: readonly Pending[]): Promise<void> {
    try {
      const outcomes = await this.#store.commit(channel, batch.map(({ commit }) => commit))
      batch.forEach(({ commit, done }, i) => done(outcomes[i] ?? 'committed', commit.position))
    } catch (error) {
      this.#onError(error)
      if (this.#closed) return
      for (const each of batch) {
        const waiting = lane.pending.get(each.commit.session)
        if (waiting === undefined || isAhead(each.commit, waiting.commit)) lane.pending.set(each.commit.session, each)
      }
      await new Promise<void>((resolve) => { this.#clock.after(RETRY, resolve) })
    }
  }
}
