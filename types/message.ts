/**
 * Quality of service: 0 at most once, 1 at least once, 2 exactly once.
 * The effective QoS of a delivery is the lower of the message's and the subscription's.
 */
export type QoS = 0 | 1 | 2

/**
 * A place in a channel's log. Offsets count 1, 2, 3 … without holes within an epoch; an epoch is a random
 * name that is new whenever the log was created anew or lost data, so offsets of two epochs never compare.
 * Offset 0 stands before the first record.
 */
export interface Position {
  readonly epoch: string
  readonly offset: number
}

/** Who published a message. Absent on what the server itself published. */
export interface Publisher {
  /** The client's public name: its `clientId`, or one the server made for a client that named none. */
  readonly clientId: string
  /** Whom the connection authenticated as, where the host authenticates. */
  readonly userId?: string
}

/** A message as a handler gets it, and as `history` returns it. */
export interface Message<Data = unknown> {
  readonly channel: string
  readonly data: Data
  /** Unique within the channel; the same for every copy of the message. */
  readonly id: string
  readonly qos: QoS
  /** `null` for a QoS 0 message of a channel that keeps no history: it has no place in the log. */
  readonly position: Position | null
  /** Milliseconds since 1970 by the wall clock of the node that accepted the message. Informative: order is by position. */
  readonly timestamp: number
  readonly publisher?: Publisher
}

/**
 * A hole, said aloud: records a subscriber should have had and will not get.
 * - `retention`: the channel no longer keeps them; `from`, `to` and `count` say which (a message whose own
 *   `ttl` had run out before is counted too: the log cannot tell any more).
 * - `epoch`: the log was created anew; how much was lost is unknown (`from`, `to` and `count` are null).
 * - `unverified`: the store may have lost its newest records; the log goes on from where it is known to agree.
 * - `slow`: this subscriber did not keep up with a channel that then drops records (`slow: 'drop'`); `from`, `to` and `count` say which.
 */
export interface Gap {
  readonly channel: string
  readonly reason: GapReason
  readonly from: number | null
  readonly to: number | null
  readonly count: number | null
  /** Where the subscription stands after the gap. */
  readonly position: Position
}

/** Why records are missing. See {@link Gap}. */
export type GapReason = 'retention' | 'epoch' | 'unverified' | 'slow'
