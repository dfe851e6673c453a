import type { Position } from '../../types/message.js'
import type { Receipt, ReceiptOptions } from '../../types/push.js'
import type { CursorStore } from '../../types/storage.js'
import { PushError } from '../core/errors.js'
import { isPosition } from '../core/position.js'
import type { Channel } from './channels.js'
import { clientOf, type ClientName } from './session-key.js'
import { USER_CURSOR } from './user-cursor.js'

const DEFAULT_LIMIT = 100

/** Who follows the channel on this node. */
interface Following {
  readonly client: ClientName
  /** Whether it was sent a record, and has not acknowledged it yet. */
  awaits (position: Position): boolean
}

/**
 * Who has acknowledged the message at a position, and who of `following` has yet to: a read of the channel's cursors that stand there or beyond; nothing is stored for it.
 * A position holds for its own epoch: once the log goes on under another one, cursors that have moved on since no longer say that they had reached it.
 * Where the user's cursor is the only one, the user has acknowledged: `*`. Rejects with `PUSH_INVALID` for what is no position or no page, or as the storage does.
 */
export async function readReceipt (cursors: CursorStore, { name, leased, params }: Channel, following: Iterable<Following>, position: Position | null, options: ReceiptOptions, most: number): Promise<Receipt> {
  const { limit = DEFAULT_LIMIT, after } = options
  if (!isPosition(position)) throw new PushError('PUSH_INVALID', 'not a position: a message without one has no receipt')
  if (!Number.isSafeInteger(limit) || limit < 1) throw new PushError('PUSH_INVALID', 'limit must be a positive integer')
  if (after !== undefined && typeof after !== 'string') throw new PushError('PUSH_INVALID', 'after must be what a receipt gave as next')
  const wanted = Math.min(limit, most)
  const found = await cursors.reached(name, { position, limit: wanted, ...(after === undefined ? {} : { after }) })
  const acknowledged = found.flatMap((session) => session !== USER_CURSOR ? [clientOf(session)] : leased ? [{ clientId: USER_CURSOR, userId: params.userId as string }] : [])
  const pending = after === undefined ? pendingOf(following, position, wanted) : []
  return { acknowledged, pending, next: found.length < wanted ? null : found.at(-1) ?? null }
}

function pendingOf (following: Iterable<Following>, position: Position, most: number): ClientName[] {
  const pending: ClientName[] = []
  for (const each of following) {
    if (pending.length >= most) break
    if (!each.awaits(position)) continue
    const { clientId, userId } = each.client
    pending.push(userId === undefined ? { clientId } : { clientId, userId })
  }
  return pending
}
