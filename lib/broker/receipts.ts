import type { Position } from '../../types/message.js'
import type { Receipt, ReceiptOptions } from '../../types/push.js'
import type { CursorStore } from '../../types/storage.js'
import { PushError } from '../core/errors.js'
import { isPosition } from '../core/position.js'
import { clientOf } from './session-key.js'
import { USER } from './user-cursor.js'

const DEFAULT_LIMIT = 100

/**
 * Who has acknowledged the message at a position: a read of the channel's cursors that stand there or beyond; nothing is stored for it.
 * Rejects with `PUSH_INVALID` for what is no position or no page, or as the storage does.
 */
export async function readReceipt (cursors: CursorStore, channel: string, position: Position | null, options: ReceiptOptions, most: number): Promise<Receipt> {
  const { limit = DEFAULT_LIMIT, after } = options
  if (!isPosition(position)) throw new PushError('PUSH_INVALID', 'not a position: a message without one has no receipt')
  if (!Number.isSafeInteger(limit) || limit < 1) throw new PushError('PUSH_INVALID', 'limit must be a positive integer')
  if (after !== undefined && typeof after !== 'string') throw new PushError('PUSH_INVALID', 'after must be what a receipt gave as next')
  const wanted = Math.min(limit, most)
  const found = await cursors.reached(channel, { position, limit: wanted, ...(after === undefined ? {} : { after }) })
  const sessions = found.filter((session) => session !== USER)
  return { acknowledged: sessions.map(clientOf), next: found.length < wanted ? null : found.at(-1) ?? null }
}
