import { hash } from 'node:crypto'

/** A client, as others see it. */
export interface ClientName {
  readonly clientId: string
  readonly userId?: string
}

/** Characters of an unnamed session's key that are its client's name, and of the whole key. */
const NAME = 12
const KEY = 34

/**
 * The key of a session in the storage. One without a `clientId` is found by its secret, of which only a hash is kept: neither who reads the storage
 * nor who sees a client's name can take it over.
 */
export function sessionKeyOf (userId: string | undefined, { session, clientId }: { readonly session: string, readonly clientId?: string | undefined }): string {
  const user = userId === undefined ? '' : encodeURIComponent(userId)
  if (clientId !== undefined) return `${user}/c/${clientId}`
  return `${user}/s/${hash('sha256', `${user}/s/${session}`, 'base64url').slice(0, KEY)}`
}

/** The session that stands for the right to read what any one client of a user is to handle. No client's: those have one slash more. */
export function leaseKeyOf (userId: string): string {
  return `*/${encodeURIComponent(userId)}`
}

/** Whose session it is. Without a `clientId` of its own a client is named after its key. */
export function clientOf (key: string): ClientName {
  const [user = '', kind, name = ''] = key.split('/')
  const clientId = kind === 'c' ? name : name.slice(0, NAME)
  return user === '' ? { clientId } : { clientId, userId: decodeURIComponent(user) }
}
