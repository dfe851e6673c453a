import type { ClientInfo } from '../../types/options.js'
import type { Member, PresenceCause } from '../../types/presence.js'
import type { StoredMember } from '../../types/presence-store.js'
import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { encodeBody, encodeData } from './encoding.js'
import { randomId } from './random-id.js'

/** The member that a client is. Claims stay on the server. Throws `PUSH_INVALID` for data that JSON cannot say, `PUSH_TOO_LARGE` for more than `most` bytes of it. */
export function memberOf (id: string, { clientId, userId }: ClientInfo, data: unknown, most: number): Member {
  const member = { id, clientId, ...(userId === undefined ? {} : { userId }) }
  if (data === undefined) return member
  let json: string | undefined
  try {
    json = JSON.stringify(data)
  } catch {}
  if (json === undefined) throw new PushError('PUSH_INVALID', 'the data cannot be written as JSON')
  if (Buffer.byteLength(json) > most) throw new PushError('PUSH_TOO_LARGE', `a member's data may have ${most} bytes`)
  return { ...member, data }
}

/** A member as the storage keeps it. */
export function encodeMember (member: Member): Uint8Array {
  return Buffer.from(JSON.stringify(member))
}

/** Decodes what {@link encodeMember} made. */
export function decodeMember ({ body }: Pick<StoredMember, 'body'>): Member {
  return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')) as Member
}

/** An event as it is in the presence log: a message like any other. Who has left is told without data. [P-12.5] */
export function encodeEvent (clock: Clock, cause: PresenceCause, { data, ...member }: Member): Uint8Array {
  const isThere = cause !== 'leave' && cause !== 'timeout'
  return encodeBody(randomId(), 1, clock.timestamp(), undefined, encodeData({ cause, member: isThere && data !== undefined ? { ...member, data } : member }), true)
}
