import type { Gap, Message, Position, Publisher, QoS } from '../../types/message.js'
import type { MemberPage } from '../../types/presence-store.js'
import type { MessageBody, ServerFrame } from '../protocol/frames.js'
import { openFrame, textFrame } from '../protocol/text-frame.js'

const COMMA = 44
const CLOSING_BRACE = 125
const END = ']}'

/**
 * What a message carries, as JSON. Throws a RangeError for data that nests too deep, a TypeError for cycles and for what leaves no trace in JSON; only `undefined` is taken for
 * `null`, for a message always has data.
 */
export function encodeData (data: unknown): string {
  const json = JSON.stringify(data ?? null) as string | undefined
  if (json === undefined) throw new TypeError('a function or a symbol is no JSON')
  return json
}

/**
 * Encodes a message: once, in the process where it was published. `json`: of {@link encodeData}. `kept`: the bytes get memory of their own, since they may be held for long.
 */
export function encodeBody (id: string, qos: QoS, timestamp: number, publisher: Publisher | undefined, json: string, kept: boolean): Buffer {
  const by = publisher === undefined ? '' : publisherText(publisher)
  const head = `{"id":${JSON.stringify(id)},"qos":${qos},"timestamp":${timestamp}${by},"data":`
  const length = Buffer.byteLength(head) + Buffer.byteLength(json) + 1
  const body = kept ? Buffer.allocUnsafeSlow(length) : Buffer.allocUnsafe(length)
  const at = body.write(head)
  body.write(json, at)
  body[length - 1] = CLOSING_BRACE
  return body
}

// One object stands for all that a connection publishes.
const publisherTexts = new WeakMap<Publisher, string>()

function publisherText (publisher: Publisher): string {
  let text = publisherTexts.get(publisher)
  if (text === undefined) publisherTexts.set(publisher, text = `,"publisher":${JSON.stringify(publisher)}`)
  return text
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
  const { frame, at } = openFrame(Buffer.byteLength(head) + listLength(bodies))
  writeList(frame, at + frame.write(head, at), bodies)
  return frame
}

function listLength (bodies: readonly Uint8Array[]): number {
  let length = Math.max(0, bodies.length - 1) + END.length
  for (const body of bodies) length += body.byteLength
  return length
}

function writeList (bytes: Buffer, start: number, bodies: readonly Uint8Array[]): void {
  let at = start
  for (let i = 0; i < bodies.length; i++) {
    const body = bodies[i] as Uint8Array
    if (i > 0) bytes[at++] = COMMA
    bytes.set(body, at)
    at += body.byteLength
  }
  bytes.write(END, at, 'latin1')
}

/** All that is the same for whoever asks for this page of members: the rest of {@link memberPageFrame}. */
export function encodeMemberPage (channel: string, { members, next, users, connections, position }: MemberPage): Buffer {
  const { epoch, offset } = position
  const head = `${JSON.stringify({ channel, next, counts: { users, connections }, epoch, offset }).slice(1, -1)},"members":[`
  const bodies = members.map(({ body }) => body)
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(head) + listLength(bodies))
  writeList(bytes, bytes.write(head, 0), bodies)
  return bytes
}

/** The answer to whoever asked for a page of members. [P-12.3] */
export function memberPageFrame (id: number, page: Buffer): Buffer {
  const head = `{"type":"presence","id":${id},`
  const { frame, at } = openFrame(head.length + page.byteLength)
  frame.set(page, at + frame.write(head, at, 'latin1'))
  return frame
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
