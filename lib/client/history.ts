import type { Message } from '../../types/message.js'
import type { HistoryOptions, HistoryPage } from '../../types/push.js'
import { PushError } from '../core/errors.js'
import { isPosition } from '../core/position.js'
import { messageOf } from './message.js'
import type { Requests } from './requests.js'

/** Reads the log; moves no cursor. [P-6.1] Rejects with the code of the server's refusal, or `PUSH_INVALID`. */
export function readHistory<Data> (requests: Requests, channel: string, query: HistoryOptions): Promise<HistoryPage<Data>> {
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
function check ({ limit, before, after, reverse }: HistoryOptions): void {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 1 && limit <= 1_000_000)) {
    throw new PushError('PUSH_INVALID', 'limit must be an integer of 1 to 1,000,000')
  }
  if (before !== undefined && !isPosition(before)) throw new PushError('PUSH_INVALID', 'before must be a position')
  if (after !== undefined && !isPosition(after)) throw new PushError('PUSH_INVALID', 'after must be a position')
  if (reverse !== undefined && typeof reverse !== 'boolean') throw new PushError('PUSH_INVALID', 'reverse must be true or false')
}
