import type { Clock } from '../core/clock.js'

/** Buckets of the wheel: members are visited spread over the period, not all at once. */
const BUCKETS = 32

/**
 * One timer for all heartbeats: a wheel that visits each member once a `period`. Members count visits and not
 * milliseconds, so a blocked event loop, which makes visits late but never more frequent, condemns nobody.
 */
export class Heartbeat {
  /** Milliseconds between two visits of a member. */
  readonly period: number
  readonly #clock: Clock
  readonly #buckets: Set<() => void>[] = Array.from({ length: BUCKETS }, () => new Set())
  #members = 0
  #next = 0
  #at = 0
  #stop: (() => void) | null = null

  constructor (clock: Clock, period: number) {
    this.#clock = clock
    this.period = period
  }

  /** Visits `member`, which must not throw, from now on. Returns the release. The timer runs only while there are members. */
  add (member: () => void): () => void {
    const bucket = this.#buckets[this.#next = (this.#next + 1) % BUCKETS] as Set<() => void>
    bucket.add(member)
    if (++this.#members === 1) this.#wait()
    return () => {
      if (!bucket.delete(member) || --this.#members > 0) return
      this.#stop?.()
      this.#stop = null
    }
  }

  #wait (): void {
    this.#stop = this.#clock.after(this.period / BUCKETS, () => {
      this.#wait()
      this.#at = (this.#at + 1) % BUCKETS
      for (const member of [...this.#buckets[this.#at] as Set<() => void>]) member()
    })
  }
}
