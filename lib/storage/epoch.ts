import { randomBytes } from 'node:crypto'

const LENGTH = 12 // 72 bits, without padding
/** Made at a time: to ask for random bytes costs more than all else that is done for an append. */
const MADE = 256

let names = ''
let at = 0

/** The name of an epoch, which no other has. */
export function newEpoch (): string {
  if (at === names.length) {
    names = randomBytes(MADE * LENGTH * 3 / 4).toString('base64url')
    at = 0
  }
  const from = at
  at += LENGTH
  return names.slice(from, at)
}
