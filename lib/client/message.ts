import type { Message, Position, Publisher } from '../../types/message.js'
import type { MessageBody } from '../protocol/frames.js'

/** A message as the application gets it. */
export function messageOf (channel: string, body: MessageBody, position: Position | null): Message {
  const { data, id, qos, timestamp, publisher } = body
  const message = { channel, data, id, qos, position, timestamp }
  return publisher === undefined ? message : { ...message, publisher: publisher as Publisher }
}
