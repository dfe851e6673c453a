import type { AckFrame } from '../../protocol/frames.js'
import type { ConnectionContext } from '../context.js'

/** Moves cursors. What makes no sense is ignored and counted. [P-4.6] [P-4.7] */
export function acknowledge (connection: ConnectionContext, { positions }: AckFrame): void {
  for (const position of positions) {
    const subscription = connection.subscriptions.get(position.channel)
    if (subscription === undefined) connection.service.broker.counters.ignoredAcks++
    else subscription.acknowledge({ epoch: position.epoch, offset: position.offset })
  }
}
