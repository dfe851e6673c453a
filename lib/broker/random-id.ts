import { randomFillSync } from 'node:crypto'

const BYTES = 15 // 120 bits: 20 characters without padding
const pool = Buffer.allocUnsafe(BYTES * 256)
let at = pool.byteLength

/** An id that nobody else has and nobody can guess: 20 characters of base64url. */
export function randomId (): string {
  if (at === pool.byteLength) {
    randomFillSync(pool)
    at = 0
  }
  const from = at
  at += BYTES
  return pool.toString('base64url', from, at)
}

const GROUP = 12
const GROUPED = 64
let group = ''
let left = 0

/** An id for a message, of the same kind. Some made in a row begin with the same 12 characters, so that a storage may remember them together; the other 8 cannot be guessed. */
export function messageId (): string {
  const id = randomId()
  if (left === 0) {
    group = id.slice(0, GROUP)
    left = GROUPED
  }
  left--
  return group + id.slice(GROUP)
}
