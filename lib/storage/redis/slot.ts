/** The slot of a key in a Cluster, as its specification has it: CRC-16 (XMODEM) of what is in the first braces, or of all. */
export function slotOf (key: string): number {
  const begin = key.indexOf('{')
  const end = begin === -1 ? -1 : key.indexOf('}', begin)
  let crc = 0
  for (const byte of Buffer.from(end > begin + 1 ? key.slice(begin + 1, end) : key)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
  }
  return crc & 0x3fff
}
