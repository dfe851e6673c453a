import type { ReadTurns } from './read-turns.js'
import type { SharedFrame } from './shared-frame.js'

/** Where a subscription writes: the connection it belongs to. */
export interface Outlet {
  /** Writes whole WebSocket frames. */
  write (frame: Uint8Array): void
  /** Writes a frame that others get too, compressed where that was negotiated. `last`: nothing more comes in this tick, for anybody. */
  share (frame: SharedFrame, last: boolean): void
  /** Whether there is room. The outlet tells its subscriptions, through `settle`, whenever this changes. */
  readonly writable: boolean
  /** When its subscriptions may read the log. */
  readonly reads: ReadTurns
  /** Ends the connection: its reader does not keep up with a channel that disconnects such readers. */
  disconnect (): void
}
