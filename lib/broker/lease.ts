import type { Orphan, PresenceStore } from '../../types/presence-store.js'
import type { Clock } from '../core/clock.js'

/** How long a lease runs at least, in milliseconds. It runs for twice the longest grace, so that the clients of a node that is gone have time to come back elsewhere. */
const LEASE = 30_000

/** How often it is renewed while it runs. */
const RENEWALS = 3

/** Orphans that are let go at once, and how often in one visit: what is left then is for the next one. */
const ORPHANS = 1000
const ROUNDS = 100

export interface LeaseContext {
  readonly store: PresenceStore
  readonly clock: Clock
  readonly node: string
  /** Whether this node looks after the orphans of others even if it has no members itself. */
  readonly sweeps: boolean
  readonly onError: (error: unknown) => void
  /** Whether there is anything to keep up. */
  isNeeded (): boolean
  /** The lease had run out, and has been renewed. */
  lapsed (): Promise<void>
  /** Now and then. */
  visit (): Promise<void>
  /** A member whose node is gone. */
  readonly orphan: (orphan: Orphan) => Promise<void>
}

/** The lease that a node keeps for all the members it holds: one timer renews it, and looks after the members of nodes that are gone. */
export class Lease {
  readonly #context: LeaseContext
  #state: 'new' | 'open' | 'closed' = 'new'
  #isUsed = false
  #longest = LEASE
  /** Until when it runs at least, by the latest renewal that this node knows of. */
  #until = -Infinity
  #taking: Promise<void> | null = null
  /** Whether what this node holds must be entered anew. */
  #isLapsed = false
  #stop: (() => void) | null = null

  constructor (context: LeaseContext) {
    this.#context = context
  }

  open (): void {
    this.#state = 'open'
    if (this.#isUsed) this.use()
  }

  /** This node has to do with members. Others may hold some even if it does not. */
  use (): void {
    this.#isUsed = true
    if (this.#state === 'open' && this.#context.sweeps && this.#taking === null) this.#take().catch(this.#context.onError)
  }

  /** Resolves once there is a lease, under which members with this grace may be held. Rejects with the storage's error. */
  hold (grace: number): Promise<void> {
    this.#longest = Math.max(this.#longest, 2 * grace)
    return this.#taking ?? this.#take()
  }

  close (): void {
    this.#state = 'closed'
    this.#stop?.()
    this.#stop = null
  }

  #take (): Promise<void> {
    this.#isUsed = true
    const taking = this.#renew().then(() => this.#wait())
    this.#taking = taking
    taking.catch(() => { this.#release() }) // the next one asks again
    return taking
  }

  // Whether it had been running without a break. One that came to nothing, for all this node knows, may have renewed a lease that had run out:
  // its answer is lost, and that of the next one is that it runs.
  async #renew (): Promise<boolean> {
    const { store, clock, node } = this.#context
    const until = clock.now() + this.#longest
    const lived = await store.renew(node, this.#longest)
    const isInTime = clock.now() < this.#until
    this.#until = until
    return lived && isInTime
  }

  #release (): void {
    this.#taking = null
    if (this.#context.sweeps && this.#state === 'open') this.#wait()
  }

  #wait (): void {
    this.#stop?.()
    if (this.#state === 'closed') return
    this.#stop = this.#context.clock.after(this.#longest / RENEWALS, () => {
      this.#stop = null
      this.#beat().catch(this.#context.onError).finally(() => {
        if (this.#stop !== null || this.#state === 'closed') return
        if (this.#context.isNeeded() || this.#context.sweeps) this.#wait()
        else this.#taking = null
      })
    })
  }

  async #beat (): Promise<void> {
    const context = this.#context
    if (!await this.#renew()) this.#isLapsed = true
    this.#taking ??= Promise.resolve()
    if (this.#isLapsed) {
      await context.lapsed()
      this.#isLapsed = false
    }
    await context.visit()
    await this.#letGo()
  }

  async #letGo (): Promise<void> {
    const { store, orphan, onError } = this.#context
    for (let round = 0; round < ROUNDS; round++) {
      const orphans = await store.orphans(ORPHANS)
      const outcomes = await Promise.allSettled(orphans.map(orphan))
      const failed = outcomes.find((outcome) => outcome.status === 'rejected')
      if (failed !== undefined) onError(failed.reason) // they would all be as they were
      if (failed !== undefined || orphans.length < ORPHANS) return
    }
  }
}
