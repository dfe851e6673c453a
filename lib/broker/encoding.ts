import type { Gap, Message, Position, Publisher, QoS } from '../../types/message.js'
import type { MessageBody, ServerFrame } from '../protocol/frames.js'
import { frameOf, textFrame } from '../protocol/text-frame.js'

const COMMA = Buffer.from(',')
const END = Buffer.from(']}')

/**
 * Encodes a message: once, in the process where it was published. Throws a RangeError for data that nests too deep, a TypeError for
 * cycles and for what leaves no trace in JSON; only `undefined` is taken for `null`, for a message always has data.
 */
export function encodeBody (id: string, qos: QoS, timestamp: number, publisher: Publisher | undefined, data: unknown): Buffer {
  const json = JSON.stringify(data ?? null) as string | undefined
  if (json === undefined) throw new TypeError('a function or a symbol is no JSON')
  const by = publisher === undefined ? '' : `,"publisher":${JSON.stringify(publisher)}`
  return Buffer.from(`{"id":${JSON.stringify(id)},"qos":${qos},"timestamp":${timestamp}${by},"data":${json}}`, 'utf8')
}

/** Decodes what {@link encodeBody} made. */
export function decodeBody (channel: string, body: Uint8Array, position: Position): Message {
  const { id, qos, timestamp, publisher, data } = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')) as MessageBody & { publisher?: Publisher }
  return { channel, data, id, qos, position, timestamp, ...(publisher === undefined ? {} : { publisher }) }
}

/** A frame of stored messages at consecutive offsets. [P-4.1] */
export function messagesFrame (channel: string, epoch: string, from: number, bodies: readonly Uint8Array[]): Buffer {
  return joined(`{"type":"messages","channel":${JSON.stringify(channel)},"epoch":${JSON.stringify(epoch)},"from":${from},"messages":[`, bodies)
}

/** A frame of messages that have no place in the log. [P-4.1] */
export function volatileFrame (channel: string, bodies: readonly Uint8Array[]): Buffer {
  return joined(`{"type":"messages","channel":${JSON.stringify(channel)},"messages":[`, bodies)
}

function joined (head: string, bodies: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(head)]
  bodies.forEach((body, i) => {
    if (i > 0) parts.push(COMMA)
    parts.push(body)
  })
  parts.push(END)
  return frameOf(parts)
}

/** [P-4.3] */
export function skipFrame (channel: string, epoch: string, from: number, to: number): Buffer {
  return encodeFrame({ type: 'skip', channel, epoch, from, to })
}

/** [P-4.4] */
export function gapFrame (gap: Gap): Buffer {
  return encodeFrame({ type: 'gap', ...gap })
}

/** Any other frame a server sends. */
export function encodeFrame (frame: ServerFrame): Buffer {
  return textFrame(JSON.stringify(frame))
}
