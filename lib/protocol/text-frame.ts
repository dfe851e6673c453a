/** FIN and the opcode of a text; RSV1 says that the message is compressed (RFC 7692, 6). */
const TEXT = 0x81
const COMPRESSED_TEXT = 0xc1

/**
 * An unmasked WebSocket frame (RFC 6455, 5.2) for a text of `length` bytes of UTF-8, which belong `at` and behind it. Ready, once they are there,
 * to be written to any number of sockets.
 */
export function openFrame (length: number, compressed = false): { readonly frame: Buffer, readonly at: number } {
  const at = length < 126 ? 2 : length < 65536 ? 4 : 10
  const frame = Buffer.allocUnsafe(at + length)
  frame[0] = compressed ? COMPRESSED_TEXT : TEXT
  if (at === 2) {
    frame[1] = length
  } else if (at === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  return { frame, at }
}

/** A text as one frame. */
export function textFrame (text: string): Buffer {
  const { frame, at } = openFrame(Buffer.byteLength(text))
  frame.write(text, at)
  return frame
}

/** A compressed text as one frame. */
export function compressedFrame (payload: Uint8Array): Buffer {
  const { frame, at } = openFrame(payload.byteLength, true)
  frame.set(payload, at)
  return frame
}
