import type { Message, Position } from '../../types/message.js'
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

/** Reads the log; moves no cursor. [P-6.1] Rejects with the code of the server's refusal. */
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
  const page = new Promise<HistoryPage<Data>>((resolve, reject) => requests.ask(question, (reply) => {
    if (reply.type !== 'history') return
    const { epoch, head, next } = reply
    const messages = reply.messages.map((body) => messageOf(channel, body, { epoch, offset: body.offset }) as Message<Data>)
    resolve({ messages, next, head: { epoch, offset: head } })
  }, reject))
  page.catch(() => {}) // nobody has to await it
  return page
}
