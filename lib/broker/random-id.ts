import { randomFillSync } from 'node:crypto'
import { GROUP_LENGTH, ID_LENGTH } from '../core/message-id.js'

const BYTES = ID_LENGTH * 3 / 4 // 120 bits, without padding
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

const GROUPED = 64
let group = ''
let left = 0

/** An id for a message, of the same kind. Some made in a row are of one group. */
export function messageId (): string {
  const id = randomId()
  if (left === 0) {
    group = id.slice(0, GROUP_LENGTH)
    left = GROUPED
  }
  left--
  return group + id.slice(GROUP_LENGTH)
}
