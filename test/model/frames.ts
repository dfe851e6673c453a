/**
 * The texts of bytes that are whole, unmasked, unfragmented WebSocket text frames (RFC 6455, 5.2), as a server writes them.
 * Throws on anything else.
 */
export function textsOf (bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const texts: string[] = []
  let at = 0
  while (at < buffer.length) {
    if (buffer[at] !== 0x81) throw new Error(`no final text frame at byte ${at}: 0x${buffer[at]?.toString(16)}`)
    const short = buffer[at + 1] as number
    if (short > 127) throw new Error('a server masks nothing')
    const header = short === 126 ? 4 : short === 127 ? 10 : 2
    if (at + header > buffer.length) throw new Error('a header is cut off')
    const length = short === 126 ? buffer.readUInt16BE(at + 2) : short === 127 ? Number(buffer.readBigUInt64BE(at + 2)) : short
    if (at + header + length > buffer.length) throw new Error('a frame is cut off')
    texts.push(buffer.toString('utf8', at + header, at + header + length))
    at += header + length
  }
  return texts
}
