import type { Message, Position } from '../../types/message.js'
import { PushError } from '../core/errors.js'
import { isPosition } from '../core/position.js'
import { messageOf } from './message.js'
import type { Requests } from './requests.js'

/** Which part of the log to read. Without `before` and `after`: the newest. */
export interface HistoryQuery {
  /** Messages, at the most. Default 50; the server may give fewer. */
  limit?: number
  /** Only what comes before this position. */
  before?: Position
  /** Only what comes after this position. */
  after?: Position
  /** The newest first. Default false: in the order of the log. */
  reverse?: boolean
}

export interface HistoryPage<Data = unknown> {
  readonly messages: Array<Message<Data>>
  /** What to pass as `after` (in reverse, as `before`) for the next page; `null` at the end. */
  readonly next: Position | null
  /** The newest record of the log. */
  readonly head: Position
}

/** Reads the log; moves no cursor. [P-6.1] Rejects with the code of the server's refusal, or `PUSH_INVALID`. */
export function readHistory<Data> (requests: Requests, channel: string, query: HistoryQuery): Promise<HistoryPage<Data>> {
  const { limit, before, after, reverse } = query
  const question = {
    type: 'history' as const,
    channel,
    ...(limit !== undefined && { limit }),
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
    ...(reverse !== undefined && { reverse })
  }
  const page = new Promise<HistoryPage<Data>>((resolve, reject) => {
    check(query)
    requests.ask(question, (reply) => {
      if (reply.type !== 'history') return
      const { epoch, head, next } = reply
      const messages = reply.messages.map((body) => messageOf(channel, body, { epoch, offset: body.offset }) as Message<Data>)
      resolve({ messages, next, head: { epoch, offset: head } })
    }, reject)
  })
  page.catch(() => {}) // nobody has to await it
  return page
}

// The server would close the connection on these.
function check ({ limit, before, after, reverse }: HistoryQuery): void {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 1 && limit <= 1_000_000)) {
    throw new PushError('PUSH_INVALID', 'limit must be an integer of 1 to 1,000,000')
  }
  if (before !== undefined && !isPosition(before)) throw new PushError('PUSH_INVALID', 'before must be a position')
  if (after !== undefined && !isPosition(after)) throw new PushError('PUSH_INVALID', 'after must be a position')
  if (reverse !== undefined && typeof reverse !== 'boolean') throw new PushError('PUSH_INVALID', 'reverse must be true or false')
}
