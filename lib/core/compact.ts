/** The bytes, for keeping: a small view must not keep a large buffer alive, so that what is counted is what is held. */
export function compact (bytes: Uint8Array): Uint8Array {
  return bytes.byteLength * 2 < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes
}
