/** Opcodes of RFC 6455 with the FIN bit. */
export const TEXT = 0x81
export const BINARY = 0x82
export const CLOSE = 0x88
export const PING = 0x89
export const PONG = 0x8a

/**
 * One WebSocket frame as a client sends it. The mask is zero: a server unmasks it all the same, and the payload can be
 * changed in place.
 * @param {number} first one of the opcodes above
 * @param {string | Uint8Array} payload shorter than 64 KiB
 */
export function maskedFrame (first, payload) {
  const bytes = Buffer.from(payload)
  const short = bytes.length < 126
  const frame = Buffer.alloc((short ? 6 : 8) + bytes.length)
  frame[0] = first
  frame[1] = 0x80 | (short ? bytes.length : 126)
  if (!short) frame.writeUInt16BE(bytes.length, 2)
  frame.set(bytes, frame.length - bytes.length)
  return frame
}
