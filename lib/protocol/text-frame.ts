/**
 * A text as one unmasked WebSocket text frame (RFC 6455, 5.2), ready to be written to any number of sockets.
 */
export function textFrame (text: string): Buffer {
  return frameOf([Buffer.from(text, 'utf8')])
}

/** FIN and the opcode of a text; RSV1 says that the message is compressed (RFC 7692, 6). */
const TEXT = 0x81
const COMPRESSED_TEXT = 0xc1

/** The same from parts of a text that are encoded, or compressed, already. Each byte is copied once. */
export function frameOf (parts: readonly Uint8Array[], compressed = false): Buffer {
  let length = 0
  for (const part of parts) length += part.byteLength
  const header = length < 126 ? 2 : length < 65536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = compressed ? COMPRESSED_TEXT : TEXT
  if (header === 2) {
    frame[1] = length
  } else if (header === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  let at = header
  for (const part of parts) {
    frame.set(part, at)
    at += part.byteLength
  }
  return frame
}
