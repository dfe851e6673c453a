import type { DropFrame } from '../../protocol/frames.js'
import type { ConnectionContext } from '../context.js'

/** The client's application gave a record up. [P-4.9] */
export function drop (connection: ConnectionContext, { channel }: DropFrame): void {
  connection.subscriptions.get(channel)?.drop(1, 'given-up')
}
