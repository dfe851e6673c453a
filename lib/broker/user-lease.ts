import type { SessionStore } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'

export interface UserLeaseContext {
  readonly sessions: SessionStore
  readonly clock: Clock
  /** The session that stands for it in the storage. */
  readonly key: string
  /** Milliseconds that it runs unless it is kept. */
  readonly ttl: number
  /** It is another's now, or nobody knows whose. Not called where it was given back. */
  readonly onLost: (term: Term) => void
}

/** A lease from when it was taken until it passes on, to another reader or node. */
export interface Term {
  readonly generation: number
  /** Up to here, by this node's monotonic clock, nobody else has it. */
  until: number
  /** Whether it was lost: then nothing brings this term back. */
  isOver: boolean
  /** Counts the commits made under it. */
  commits: number
}

/**
 * The right to read what any one client of a user is to handle: one node has it at a time. It is a session that nobody connects to: its generation fences the
 * user's cursor, and it ends by itself where a node dies. A node that cannot keep it stops by its own clock, which began to run before the storage's did.
 */
export class UserLease {
  readonly #context: UserLeaseContext
  #term: Term | null = null
  #isTaking = false
  /** The latest generation heard of while it is being taken: it may be the own one. */
  #heard = 0

  constructor (context: UserLeaseContext) {
    this.#context = context
  }

  /** The term that this node has; `null` while it has none. */
  get term (): Term | null {
    return this.#term
  }

  /** Whether a term still holds, at this very moment. */
  holds (term: Term): boolean {
    if (term.isOver) return false
    if (this.#context.clock.now() < term.until) return true
    term.isOver = true // what was withheld once is not made good by a late answer
    return false
  }

  /**
   * Takes it for a new reader: under a new generation where this node has it, so that whatever an earlier reader still writes is fenced; otherwise only
   * if nobody has it. Returns whether this node has it now. Rejects with the storage's error, and then it has not.
   */
  async take (): Promise<boolean> {
    const { sessions, clock, key, ttl } = this.#context
    const own = this.#term !== null && this.holds(this.#term) ? this.#term.generation : 0
    const begun = clock.now()
    this.#isTaking = true
    this.#heard = 0
    this.#term = null
    try {
      const taken = await sessions.acquire(key, ttl, own) // where this comes late, after the lease has run out, it takes it from nobody
      if (taken === null || this.#heard > taken.generation) return false
      this.#term = { generation: taken.generation, until: begun + ttl, isOver: false, commits: 0 }
      return true
    } finally {
      this.#isTaking = false
    }
  }

  /** Keeps it, if this node has it. Called a few times in its time. */
  async keep (): Promise<void> {
    const term = this.#term
    if (term === null) return
    if (!this.holds(term)) return this.lose(term)
    const { sessions, clock, key, ttl } = this.#context
    const begun = clock.now()
    try {
      if (!await sessions.touch(key, term.generation, ttl)) this.lose(term)
      else term.until = Math.max(term.until, begun + ttl)
    } catch {} // the next one may succeed; without any, it ends with its time
  }

  /** Somebody took it, perhaps this node. */
  hear (generation: number): void {
    if (this.#isTaking) this.#heard = Math.max(this.#heard, generation)
    else if (this.#term !== null && generation > this.#term.generation) this.lose(this.#term)
  }

  /** A term has turned out to be over. */
  lose (term: Term): void {
    term.isOver = true
    if (this.#term !== term) return
    this.#term = null
    this.#context.onLost(term)
  }

  /** Gives it back, so that others may take it. Returns whether it was this node's to give; where the storage does not answer, it ends with its time. */
  async giveBack (): Promise<boolean> {
    const term = this.#term
    if (term === null) return false
    this.#term = null
    term.isOver = true
    try {
      await this.#context.sessions.remove(this.#context.key, term.generation)
      return true
    } catch {
      return false
    }
  }
}
