import type { DropFrame } from '../../protocol/frames.js'
import type { Connection } from '../connection.js'

/** The client's application gave a record up. [P-4.9] */
export function drop (connection: Connection, { channel }: DropFrame): void {
  if (connection.subscriptions.has(channel)) connection.service.broker.counters.givenUp++
}
