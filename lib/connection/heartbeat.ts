import type { Clock } from '../core/clock.js'

/** Buckets of the wheel: members are visited spread over the period, not all at once. */
const BUCKETS = 32

/** What the wheel visits. */
export interface Beating {
  /** Must not throw. */
  beat (): void
}

/** Where in the wheel a member is. */
export type Place = number

/**
 * One timer for all heartbeats: a wheel that visits each member once a `period`. Members count visits and not
 * milliseconds, so a blocked event loop, which makes visits late but never more frequent, condemns nobody.
 */
export class Heartbeat {
  /** Milliseconds between two visits of a member. */
  readonly period: number
  readonly #clock: Clock
  readonly #buckets: Set<Beating>[] = Array.from({ length: BUCKETS }, () => new Set())
  #members = 0
  #next = 0
  #at = 0
  #stop: (() => void) | null = null

  constructor (clock: Clock, period: number) {
    this.#clock = clock
    this.period = period
  }

  /** Visits `member` from now on. The timer runs only while there are members. */
  add (member: Beating): Place {
    this.#next = (this.#next + 1) % BUCKETS
    this.#bucket(this.#next).add(member)
    if (++this.#members === 1) this.#wait()
    return this.#next
  }

  /** Visits it no more. */
  remove (member: Beating, place: Place): void {
    if (!this.#bucket(place).delete(member) || --this.#members > 0) return
    this.#stop?.()
    this.#stop = null
  }

  #bucket (place: Place): Set<Beating> {
    return this.#buckets[place] as Set<Beating>
  }

  #wait (): void {
    this.#stop = this.#clock.after(this.period / BUCKETS, () => {
      this.#wait()
      this.#at = (this.#at + 1) % BUCKETS
      for (const member of [...this.#bucket(this.#at)]) member.beat()
    })
  }
}
