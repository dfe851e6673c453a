const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Bytes of a text in UTF-8. */
export function utf8Length (text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    // Each half of a surrogate pair counts two of the pair's four bytes.
    if (code >= 0x800 && (code < 0xd800 || code > 0xdfff)) bytes += 2
    else if (code >= 0x80) bytes++
  }
  return bytes
}

/**
 * The UTF-8 of a well-formed text (such as JSON.stringify makes) in base64url without padding.
 * Uses neither Buffer nor TextEncoder nor btoa: some platforms have none of them.
 */
export function base64url (text: string): string {
  const bytes = encodeURIComponent(text).replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  let out = ''
  let bits = 0
  let held = 0
  for (let i = 0; i < bytes.length; i++) {
    held = ((held << 8) | bytes.charCodeAt(i)) & 0xfff
    bits += 8
    while (bits >= 6) {
      bits -= 6
      out += DIGITS[(held >> bits) & 63]
    }
  }
  return bits === 0 ? out : out + DIGITS[(held << (6 - bits)) & 63]
}
