import { isPosition } from '../../core/position.js'
import type { FeedRecord } from '../../../types/storage.js'
import type { QoS } from '../../../types/message.js'

// What travels on the feed. `R<epoch> <offset>\n`, then records; or `V`, then messages that are not stored. Each is its length (4 bytes, big-endian), a byte with its qos, and
// the encoded message. The script that appends writes the first kind.

const RECORDS = 'R'.charCodeAt(0)
const VOLATILE = 'V'.charCodeAt(0)
const HEAD = 5

/** What was announced. Its bodies are views of the bytes that came. */
export type Announcement =
  | { readonly kind: 'records', readonly epoch: string, readonly from: number, readonly records: readonly FeedRecord[] }
  | { readonly kind: 'volatile', readonly bodies: readonly Uint8Array[] }

/** Throws for what is no announcement. */
export function decodeAnnouncement (bytes: Buffer): Announcement {
  if (bytes[0] === VOLATILE) return { kind: 'volatile', bodies: decodeRecords(bytes, 1).map(({ body }) => body) }
  const end = bytes.indexOf('\n')
  const [epoch = '', offset] = bytes.toString('latin1', 1, Math.max(end, 1)).split(' ')
  const position = { epoch, offset: Number(offset) }
  if (bytes[0] !== RECORDS || !isPosition(position)) throw new Error('not an announcement')
  return { kind: 'records', epoch, from: position.offset, records: decodeRecords(bytes, end + 1) }
}

/** Announces messages that have no place in the log. */
export function encodeVolatile (bodies: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from('V'), encodeRecords(bodies.map((body) => ({ qos: 0, body })))])
}

/** Records as they are announced. */
export function encodeRecords (records: readonly FeedRecord[]): Buffer {
  let length = 0
  for (const { body } of records) length += HEAD + body.byteLength
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (const { qos, body } of records) {
    bytes.writeUInt32BE(body.byteLength, at)
    bytes[at + 4] = qos
    bytes.set(body, at + HEAD)
    at += HEAD + body.byteLength
  }
  return bytes
}

function decodeRecords (bytes: Buffer, start: number): FeedRecord[] {
  const records: FeedRecord[] = []
  for (let at = start; at < bytes.length;) {
    const length = bytes.readUInt32BE(at)
    const qos = bytes[at + 4] as QoS
    at += HEAD
    if (at + length > bytes.length) throw new Error('an announcement that is cut off')
    records.push({ qos, body: bytes.subarray(at, at += length) })
  }
  return records
}
