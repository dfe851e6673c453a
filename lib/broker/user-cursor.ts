import type { Position } from '../../types/message.js'
import type { CursorCommit, CursorStore } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'

/**
 * The cursor of a user in the inbox: as far as any of the user's clients has acknowledged. It is a cursor like every other, of a session that no client
 * can have; so it outlives clients that unsubscribe or expire, and a new client can start there.
 */
export const USER_CURSOR = '*'

/** Where the user stands in an inbox, or `null` if no client has acknowledged anything yet. */
export function loadUserCursor (cursors: CursorStore, inbox: string): Promise<Position | null> {
  return cursors.load(inbox, USER_CURSOR)
}

/** Moves it on. All clients write it, so there is one generation; across epochs the later write counts. */
export function userCommit (position: Position, clock: Clock, ttl: number): CursorCommit {
  return { session: USER_CURSOR, generation: 1, number: clock.timestamp(), position, ttl }
}
