import { randomBytes } from 'node:crypto'

/** The name of an epoch, which no other has. */
export function newEpoch (): string {
  return randomBytes(9).toString('base64url')
}
