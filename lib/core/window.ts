/** What an acknowledgement did. */
export type Acknowledged = 'advanced' | 'stale' | 'beyond'

/**
 * Bounds how many records of one subscription are sent and not yet acknowledged. Offsets are of one epoch;
 * {@link InflightWindow.reset} starts over in another.
 */
export class InflightWindow {
  readonly size: number
  /** The highest acknowledged offset; -1 while none is known. */
  acknowledged: number
  /** The highest offset that may be sent now. Never goes back within an epoch. */
  limit: number

  /** Sending starts after `position`. `acknowledged` may lie before it: the client had more than it has acknowledged. */
  constructor (size: number, position: number, acknowledged: number) {
    this.size = size
    this.acknowledged = acknowledged
    this.limit = position + size
  }

  /** How many records may still be sent after `sent`. */
  room (sent: number): number {
    return this.limit - sent
  }

  /**
   * Takes a cumulative acknowledgement. `head` is the highest offset known to exist: an acknowledgement beyond it is
   * of a record that was never sent to anyone, and moves nothing.
   */
  acknowledge (offset: number, head: number): Acknowledged {
    if (offset > head) return 'beyond'
    if (offset <= this.acknowledged) return 'stale'
    this.acknowledged = offset
    this.limit = Math.max(this.limit, offset + this.size)
    return 'advanced'
  }

  /** Offsets up to `position` will not be sent: they must not keep the window shut. */
  skip (position: number): void {
    this.limit = Math.max(this.limit, position + this.size)
  }

  /** Starts over in another epoch. */
  reset (position: number, acknowledged: number): void {
    this.acknowledged = acknowledged
    this.limit = position + this.size
  }
}
