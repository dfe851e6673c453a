/** What an acknowledgement did. */
export type Acknowledged = 'advanced' | 'stale' | 'beyond'

/**
 * Bounds how many records of one subscription are sent and not yet acknowledged.
 * Offsets are of one epoch; {@link InflightWindow.reset} starts over in another.
 */
export class InflightWindow {
  readonly size: number
  /** The highest acknowledged offset. */
  acknowledged: number
  /** The highest offset that may be sent now. */
  limit: number

  constructor (size: number, offset: number) {
    this.size = size
    this.acknowledged = offset
    this.limit = offset + size
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
    this.reset(offset)
    return 'advanced'
  }

  reset (offset: number): void {
    this.acknowledged = offset
    this.limit = offset + this.size
  }
}
