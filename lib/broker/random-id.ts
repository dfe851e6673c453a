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
