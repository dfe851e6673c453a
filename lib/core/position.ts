import type { GapReason, Position } from '../../types/message.js'
import type { LogState } from '../../types/storage.js'

/** What a subscription does with a record it hears of. */
export type Verdict = 'reset' | 'duplicate' | 'deliver' | 'behind'

/**
 * The one rule of delivery, used by server and client alike: what to do with the record at `offset` of
 * `epoch`, seen from a cursor that stands at `cursor`.
 *
 * - `reset`: another epoch. Tell the subscriber, then read the new log.
 * - `duplicate`: had already. Drop it and acknowledge again.
 * - `deliver`: the next one. Deliver and advance.
 * - `behind`: there are others before it. Read the log from the cursor until caught up.
 */
export function verdict (cursor: Position, epoch: string, offset: number): Verdict {
  if (epoch !== cursor.epoch) return 'reset'
  if (offset <= cursor.offset) return 'duplicate'
  return offset === cursor.offset + 1 ? 'deliver' : 'behind'
}

/** Where a cursor goes on in a log, and what it will miss. */
export interface Resumption {
  readonly position: Position
  /** Absent where nothing is lost. Numbers are null where they cannot be known. */
  readonly gap?: {
    readonly reason: GapReason
    readonly from: number | null
    readonly to: number | null
    readonly count: number | null
  }
}

/**
 * Where a cursor at `cursor` goes on in a log that is now in `state`.
 * Never silently: whatever the log no longer has is in the `gap`.
 */
export function resume (cursor: Position, state: LogState): Resumption {
  if (cursor.epoch !== state.epoch) return changeEpoch(cursor, state)
  // Beyond the head: no such record was ever acknowledged by this log, so the position is not of its making.
  if (cursor.offset > state.head) {
    return { position: { epoch: state.epoch, offset: state.head }, gap: unknown('unverified') }
  }
  if (cursor.offset + 1 >= state.first) return { position: cursor }
  const from = cursor.offset + 1
  const to = state.first - 1
  return {
    position: { epoch: state.epoch, offset: to },
    gap: { reason: 'retention', from, to, count: to - from + 1 }
  }
}

function changeEpoch (cursor: Position, state: LogState): Resumption {
  const { epoch, first } = state
  const agreed = agreement(cursor, state)
  if (agreed === null) return { position: { epoch, offset: first - 1 }, gap: unknown('epoch') }
  return { position: { epoch, offset: Math.max(agreed, first - 1) }, gap: unknown('unverified') }
}

/** The offset up to which a log has what lay before a position of an epoch that it continues; `null` where it continues no such epoch. */
export function agreement ({ epoch, offset }: Position, { continues = [] }: LogState): number | null {
  const found = continues.findIndex((earlier) => earlier.epoch === epoch)
  return found < 0 ? null : continues.slice(0, found + 1).reduce((least, { end }) => Math.min(least, end), offset)
}

const unknown = (reason: GapReason) => ({ reason, from: null, to: null, count: null })

/** The later of two positions; `a` where they are of different epochs or equal. */
export function later (a: Position, b: Position | null): Position {
  return b !== null && b.epoch === a.epoch && b.offset > a.offset ? b : a
}

/** Whether two positions are the same place. */
export function samePosition (a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.offset === b.offset
}

/** A position as it may come from outside: a short epoch and a safe, non-negative offset. */
export function isPosition (value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false
  const { epoch, offset } = value as Partial<Position>
  return typeof epoch === 'string' && epoch.length > 0 && epoch.length <= 64 &&
    Number.isSafeInteger(offset) && (offset as number) >= 0
}
