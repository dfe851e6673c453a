import type { Message, Position } from '../../types/message.js'
import type { HistoryOptions, HistoryPage } from '../../types/push.js'
import type { LogState, LogStore } from '../../types/storage.js'
import { PushError } from '../core/errors.js'
import { agreement, isPosition } from '../core/position.js'
import { decodeBody } from './encoding.js'

const DEFAULT_LIMIT = 50

/** Records looked at in one step, and bytes read at once. */
const STEP = 64
const READ_BYTES = 1024 * 1024

/** A page ends after the step in which its bodies exceed so many bytes. */
const PAGE_BYTES = 4 * 1024 * 1024

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
  const messages = await collect(log, channel, { lowest, highest, most, forward })
  const last = messages.at(-1)?.position
  const more = forward ? last && last.offset < highest : reverse && last && last.offset > lowest
  if (!forward && !reverse) messages.reverse()
  return { messages, next: more && last ? last : null, head: { epoch: state.epoch, offset: state.head } }
}

function offsetIn (state: LogState, position: Position): number {
  if (position.epoch === state.epoch) return position.offset
  const agreed = agreement(position, state)
  if (agreed !== null) return agreed
  throw new PushError('PUSH_INVALID', 'the position is of another epoch: the log was created anew')
}

interface Range {
  readonly lowest: number
  readonly highest: number
  readonly most: number
  readonly forward: boolean
}

// Step by step from one end of the range, until there are enough. Not forward: the newest first.
async function collect (log: LogStore, channel: string, { lowest, highest, most, forward }: Range): Promise<Message[]> {
  const found: Message[] = []
  let bytes = 0
  for (let done = 0; done <= highest - lowest && found.length < most && bytes < PAGE_BYTES; done += STEP) {
    const step = forward
      ? await readRange(log, channel, lowest + done, Math.min(highest, lowest + done + STEP - 1))
      : await readRange(log, channel, Math.max(lowest, highest - done - STEP + 1), highest - done)
    bytes += step.bytes
    found.push(...forward ? step.messages : step.messages.reverse())
  }
  return found.slice(0, most)
}

// Every message of a range, page by page: a page may be cut short by its bytes.
async function readRange (log: LogStore, channel: string, from: number, to: number): Promise<{ messages: Message[], bytes: number }> {
  const messages: Message[] = []
  let bytes = 0
  while (from <= to) {
    const page = await log.read(channel, { from, limit: to - from + 1, bytes: READ_BYTES })
    page.records.forEach(({ body }, i) => {
      const offset = page.from + i
      if (body === null || offset > to) return
      bytes += body.byteLength
      messages.push(decodeBody(channel, body, { epoch: page.epoch, offset }))
    })
    if (page.records.length === 0) break
    from = page.from + page.records.length
  }
  return { messages, bytes }
}
