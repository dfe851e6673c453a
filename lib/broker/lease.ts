import type { Orphan, PresenceStore } from '../../types/presence-store.js'
import type { Clock } from '../core/clock.js'

/** How long a lease runs at least, in milliseconds. It runs for twice the longest grace, so that the clients of a node that is gone have time to come back elsewhere. */
const LEASE = 30_000

/** How often it is renewed, and how long a visit may let orphans go: what is left then is for the next one. Milliseconds. */
const BEAT = 10_000

/** When a renewal that failed is tried again, in milliseconds: once the storage is back, every node soon says that it is there. */
const RETRY = 1000

/** How long a node lets nobody go after it could not renew its own lease in time: the others could not either, for all it knows, and come to it one after the other. Milliseconds. */
const PATIENCE = 2 * BEAT

/** Orphans that are asked for, and of them those that are let go at once. */
const ORPHANS = 1000
const AT_ONCE = 100

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
  /** Lets a member leave whose node is gone. Resolves with whether it was still there. */
  readonly orphan: (orphan: Orphan) => Promise<boolean>
}

/**
 * The lease that a node keeps for all the members it holds. One timer renews it, whatever else there is to do: to enter anew what was held under a lease that
 * had run out, to try again what failed, and to look after the members of nodes that are gone is a visit of its own, of which there is one at a time.
 */
export class Lease {
  readonly #context: LeaseContext
  #state: 'new' | 'open' | 'closed' = 'new'
  #isUsed = false
  #longest = LEASE
  /** Until when it runs at least, by the latest renewal that this node knows of. */
  #until = -Infinity
  #taking: Promise<void> | null = null
  /** Whether the latest renewal has come to nothing so far. */
  #isMissed = false
  #patientUntil = -Infinity
  /** Whether what this node holds must be entered anew. */
  #isLapsed = false
  #isVisiting = false
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
    const taking = this.#renew().then(() => {}).finally(() => this.#wait())
    this.#taking = taking
    taking.catch(() => { this.#taking = null }) // the next one asks again
    return taking
  }

  // Whether it had been running without a break. One that came to nothing, for all this node knows, may have renewed a lease that had run out:
  // its answer is lost, and that of the next one is that it runs.
  async #renew (): Promise<boolean> {
    const { store, clock, node } = this.#context
    const until = clock.now() + this.#longest
    const wasMissed = this.#isMissed
    this.#isMissed = true
    const lived = await store.renew(node, this.#longest)
    const isInTime = clock.now() < this.#until
    this.#until = until
    this.#isMissed = false
    if (wasMissed) this.#bePatient()
    return lived && isInTime
  }

  #wait (): void {
    this.#stop?.()
    if (this.#state === 'closed') return
    this.#stop = this.#context.clock.after(this.#isMissed ? RETRY : BEAT, () => {
      this.#stop = null
      this.#beat().catch(this.#context.onError).finally(() => {
        if (this.#stop !== null || this.#state === 'closed') return
        if (this.#context.isNeeded() || this.#context.sweeps) this.#wait()
        else this.#taking = null
      })
    })
  }

  async #beat (): Promise<void> {
    if (!await this.#renew()) {
      this.#isLapsed = true
      this.#bePatient()
    }
    this.#taking ??= Promise.resolve()
    this.#visit().catch(this.#context.onError)
  }

  #bePatient (): void {
    this.#patientUntil = this.#context.clock.now() + PATIENCE
  }

  async #visit (): Promise<void> {
    if (this.#isVisiting) return
    this.#isVisiting = true
    try {
      await this.#enterAnew().catch(this.#context.onError) // the rest does not depend on it
      await this.#context.visit()
      await this.#letGo()
    } finally {
      this.#isVisiting = false
    }
  }

  async #enterAnew (): Promise<void> {
    if (!this.#isLapsed) return
    this.#isLapsed = false
    try {
      await this.#context.lapsed()
    } catch (error) {
      this.#isLapsed = true
      throw error
    }
  }

  async #letGo (): Promise<void> {
    const { store, clock, node, onError } = this.#context
    if (clock.now() < this.#patientUntil) return
    const end = clock.now() + BEAT
    try {
      let left = ORPHANS
      while (left > 0 && this.#state !== 'closed' && clock.now() < end) {
        const orphans = await store.orphans(ORPHANS)
        const ofOthers = orphans.filter(({ member }) => member.node !== node) // its own are to be entered anew
        left = await this.#letSomeGo(ofOthers, end)
        if (orphans.length < ORPHANS && left === ofOthers.length) return
      }
    } catch (error) {
      onError(error) // they are all as they were
    }
  }

  // Begins anywhere, so that nodes share the work; ends where another node was faster. Resolves with how many have left.
  async #letSomeGo (orphans: readonly Orphan[], end: number): Promise<number> {
    const from = Math.floor(Math.random() * orphans.length)
    const inTurn = [...orphans.slice(from), ...orphans.slice(0, from)]
    let left = 0
    for (let i = 0; i < inTurn.length && this.#context.clock.now() < end; i += AT_ONCE) {
      const outcomes = await Promise.allSettled(inTurn.slice(i, i + AT_ONCE).map(this.#context.orphan))
      const failed = outcomes.find((outcome) => outcome.status === 'rejected')
      if (failed !== undefined) this.#context.onError(failed.reason) // others may be let go all the same
      const more = outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value).length
      if (more === 0) break
      left += more
    }
    return left
  }
}
