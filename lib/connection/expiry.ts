import type { Clock } from '../core/clock.js'
import { Deadlines, type Deadline } from '../core/deadlines.js'

/** What ends at a time. */
export interface Expiring {
  /** Called once, at its time or later, never before. Must not throw. */
  expire (): void
}

/** The end of something, while it is to come. */
export type Expiration = Deadline<Expiring>

/** Everything of one kind that expires: one timer for all, and nothing to do for those whose time is far. */
export class Expiry extends Deadlines<Expiring> {
  /** `time`: which of the clock's times things expire by. */
  constructor (clock: Clock, time: 'now' | 'timestamp') {
    super(clock, (expiring) => expiring.expire(), time)
  }
}
