/** Who is in a channel: one client. */
export interface Member<Data = unknown> {
  /** Names the member within the channel: two clients may have the same `clientId`, if one is anonymous. Derived from its session, and no secret. */
  readonly id: string
  readonly clientId: string
  /** Absent where it is anonymous. */
  readonly userId?: string
  /** What it entered with. Absent if that was nothing. */
  readonly data?: Data
}

/**
 * Why the list of members changed:
 * - `join`: it entered and was not there before.
 * - `back`: the same, after a `timeout` not long ago.
 * - `update`: it was there, and entered again with other data.
 * - `leave`: it left, or closed its connection in order.
 * - `timeout`: its connection was lost, and it did not come back within the grace; or its node is gone.
 */
export type PresenceCause = 'join' | 'back' | 'update' | 'leave' | 'timeout'

/** How many are in a channel. */
export interface PresenceCounts {
  /** Users, each counted once; those who are anonymous do not count. */
  readonly users: number
  /** Members: clients that have entered, connected now or within their grace. */
  readonly connections: number
}

export interface PresenceOptions {
  /** Members of one page. 0 reads just the numbers. Default 100; more than 1,000 is cut to that, and so is a page of more than 256 KiB. */
  limit?: number
  /** The `next` of the page before. */
  after?: string
}

/** A page of the members of a channel, in an order that does not change. */
export interface PresencePage<Data = unknown> extends PresenceCounts {
  readonly members: ReadonlyArray<Member<Data>>
  /** Pass it as `after` for the next page; `null` at the end. */
  readonly next: string | null
}
