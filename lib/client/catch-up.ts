import type { Message, Position } from '../../types/message.js'
import { toPushError } from '../core/errors.js'
import type { Delivery } from './handlers.js'
import type { HistoryOptions, HistoryPage } from '../../types/push.js'
import { readHistory } from './history.js'
import type { Joined, Subscription, SubscriptionContext } from './subscription.js'

/**
 * Gives a handler that joined a running subscription what it missed: a read of the history for it alone. Meanwhile nothing is
 * handed over in the channel, so that the old comes before the new. What still waits in the queue is left out of it: it comes from there.
 */
export async function catchUp (
  subscription: Subscription, member: Joined, want: { readonly rewind: number | undefined, readonly from: Position | undefined },
  ready: Promise<void>, context: SubscriptionContext
): Promise<void> {
  const { channel, queue } = subscription
  const { from, rewind = 1 } = want // one of them is there
  queue.pause()
  try {
    await ready
    const last = queue.current?.position ?? subscription.handled
    const read = (query: HistoryOptions) => readHistory(context.requests, channel, query)
    const messages = from !== undefined ? await readFrom(from, last, read) : (await read({ limit: rewind })).messages
    const missed = messages.filter(({ position }) => position !== null && last !== null && position.epoch === last.epoch && position.offset <= last.offset)
    queue.unshift(missed.map((message): Delivery => ({ message, position: null, era: 0, only: member })))
  } catch (error) {
    // What ended the subscription itself was told already.
    if (subscription.received !== null) context.onError(channel, toPushError(error, 'PUSH_UNAVAILABLE'))
  } finally {
    queue.resume()
  }
}

async function readFrom (from: Position, last: Position | null, read: (query: HistoryOptions) => Promise<HistoryPage>): Promise<Message[]> {
  const messages: Message[] = []
  for (let after: Position | null = from; after !== null && isBefore(after, last);) {
    const page: HistoryPage = await read({ after })
    messages.push(...page.messages)
    after = page.next
  }
  return messages
}

function isBefore (a: Position, b: Position | null): boolean {
  return b !== null && a.offset < b.offset
}
