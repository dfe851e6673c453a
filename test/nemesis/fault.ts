import type { Random } from '../model/random.js'

/** Up: from the client to the server. */
export type Direction = 'up' | 'down'

/**
 * How a connection is to end.
 * - `reset`: RST to both sides. `end`: FIN to one side or both, with no closing handshake before it.
 * - `inside`: some bytes of a frame pass, then RST.
 * - `unacknowledged`: a publish has passed and is stored; its acknowledgement does not pass. Or the same of a message handed over.
 * - `stall`: one direction or both hold everything back, until one of the sides has enough.
 * - `late`: the same; but when the client has come back on another connection, what it had sent on this one passes after all.
 */
export const CUTS = ['reset', 'end', 'inside', 'unacknowledged', 'stall', 'late'] as const
export type Cut = typeof CUTS[number]

/** One of the cuts, or the end of the client's process: `kill` without a word, `reload` in order. */
export type FaultKind = Cut | 'kill' | 'reload'

/** What becomes of one connection. */
export interface Fault {
  readonly kind: FaultKind
  /** So many messages, or acknowledgements of publishes, reach the client first. */
  readonly after: number
  readonly direction: Direction
  /** Both directions. Of `end` and `stall`. */
  readonly both: boolean
  /** Which share of the frame passes. Of `inside`. */
  readonly share: number
}

/** A fault at random, on average after `mean` messages. */
export function faultOf (random: Random, mean: number): Fault {
  const kind = random.weighted<FaultKind>({ reset: 4, end: 3, inside: 4, unacknowledged: 4, stall: 1, late: 1, kill: 1.5, reload: 1 })
  return {
    kind,
    after: random.chance(0.1) ? 0 : random.int(1, mean * 2),
    direction: random.pick<Direction>(['up', 'down']),
    both: kind === 'late' ? true : random.chance(0.4),
    share: random.next()
  }
}
