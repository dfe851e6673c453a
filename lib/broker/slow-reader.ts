import type { SlowPolicy } from '../../types/options.js'
import type { Clock } from '../core/clock.js'
import type { Outlet } from './outlet.js'

export interface SlowReaderContext {
  readonly clock: Clock
  /** Milliseconds that a reader which had caught up may be behind; then it is slow. */
  readonly slowAfter: number
}

/**
 * Judges whether the reader of a subscription is slow, and what then. A burst says nothing about the reader, nor does a log that cannot be
 * read: it is slow when it had caught up, has had time since, and there still is no room. Only subscriptions whose channel asks have one.
 */
export class SlowReader {
  /** Whether it is slow, and what it has missed is to be dropped. */
  dropping = false
  readonly #context: SlowReaderContext
  readonly #policy: Exclude<SlowPolicy, 'catch-up'>
  #live = false // whether it has ever caught up
  #behindSince: number | null = null

  constructor (context: SlowReaderContext, policy: Exclude<SlowPolicy, 'catch-up'>) {
    this.#context = context
    this.#policy = policy
  }

  /** Notes whether the subscription has sent everything, and whether it takes what comes next. */
  note (caughtUp: boolean, ready: boolean): void {
    if (ready) this.#live = true
    this.#behindSince = caughtUp || !this.#live ? null : this.#behindSince ?? this.#context.clock.now()
  }

  /** There is no room for what came. Returns whether the reader is slow; then it has fallen behind. */
  miss (outlet: Outlet): boolean {
    if (this.#behindSince === null || this.#context.clock.now() - this.#behindSince < this.#context.slowAfter) return false
    if (this.#policy === 'drop') this.dropping = true
    else outlet.disconnect()
    return true
  }
}
