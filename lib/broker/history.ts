import type { Message, Position } from '../../types/message.js'
import type { HistoryOptions, HistoryPage } from '../../types/push.js'
import type { LogState, LogStore } from '../../types/storage.js'
import { PushError } from '../core/errors.js'
import { isPosition } from '../core/position.js'
import { decodeBody } from './encoding.js'

const DEFAULT_LIMIT = 50
const READ_BYTES = 1024 * 1024

/** What {@link readHistory} may return at the most. */
export interface HistoryBounds {
  readonly messages: number
}

/**
 * Reads a page of a channel's log. Moves no cursor. Messages whose own time has run out are left out.
 * Rejects with `PUSH_INVALID` for wrong options or a position that is not of this log.
 */
export async function readHistory (log: LogStore, channel: string, options: HistoryOptions, bounds: HistoryBounds): Promise<HistoryPage> {
  const { limit = DEFAULT_LIMIT, before, after, reverse = false } = options
  if (!Number.isSafeInteger(limit) || limit < 1) throw new PushError('PUSH_INVALID', 'limit must be a positive integer')
  if (before !== undefined && !isPosition(before)) throw new PushError('PUSH_INVALID', 'before is no position')
  if (after !== undefined && !isPosition(after)) throw new PushError('PUSH_INVALID', 'after is no position')
  const state = await log.read(channel, { from: 1, limit: 0, bytes: 0 })
  const lowest = Math.max(state.first, after === undefined ? 1 : offsetIn(state, after) + 1)
  const highest = Math.min(state.head, before === undefined ? Infinity : offsetIn(state, before) - 1)
  const most = Math.min(limit, bounds.messages)
  const forward = after !== undefined && !reverse
  const messages = forward
    ? await collectForward(log, channel, lowest, highest, most)
    : await collectBackward(log, channel, lowest, highest, most)
  const last = messages.at(-1)?.position
  const more = forward ? last && last.offset < highest : reverse && last && last.offset > lowest
  if (!forward && !reverse) messages.reverse()
  return { messages, next: more && last ? last : null, head: { epoch: state.epoch, offset: state.head } }
}

function offsetIn (state: LogState, position: Position): number {
  if (position.epoch === state.epoch) return position.offset
  if (position.epoch === state.previous?.epoch) return Math.min(position.offset, state.previous.end)
  throw new PushError('PUSH_INVALID', 'the position is of another epoch: the log was created anew')
}

async function collectForward (log: LogStore, channel: string, lowest: number, highest: number, most: number): Promise<Message[]> {
  const found: Message[] = []
  for (let from = lowest; from <= highest && found.length < most; from += most) {
    found.push(...await readRange(log, channel, from, Math.min(highest, from + most - 1)))
  }
  return found.slice(0, most)
}

// The newest first.
async function collectBackward (log: LogStore, channel: string, lowest: number, highest: number, most: number): Promise<Message[]> {
  const found: Message[] = []
  for (let to = highest; to >= lowest && found.length < most; to -= most) {
    found.push(...(await readRange(log, channel, Math.max(lowest, to - most + 1), to)).reverse())
  }
  return found.slice(0, most)
}

// Every message of a range, page by page: a page may be cut short by its bytes.
async function readRange (log: LogStore, channel: string, from: number, to: number): Promise<Message[]> {
  const found: Message[] = []
  while (from <= to) {
    const page = await log.read(channel, { from, limit: to - from + 1, bytes: READ_BYTES })
    page.records.forEach(({ body }, i) => {
      const offset = page.from + i
      if (body !== null && offset <= to) found.push(decodeBody(channel, body, { epoch: page.epoch, offset }))
    })
    if (page.records.length === 0) break
    from = page.from + page.records.length
  }
  return found
}
