import type { Member } from '../../types/presence.js'
import type { Deadline } from '../core/deadlines.js'
import { PushError } from '../core/errors.js'
import type { Channel, PresenceRules } from './channels.js'
import type { Presentee } from './member-changes.js'

/**
 * One connection's being in one channel.
 * - `entering`: the storage is being asked.
 * - `in`: it is a member, as far as is known.
 * - `out`: it was refused, is leaving or has left, or another one has taken its place.
 */
export interface Stay {
  readonly channel: Channel
  readonly who: Presentee
  readonly member: Member
  readonly body: Uint8Array
  /** Under which it was entered last. */
  number: number
  phase: 'entering' | 'in' | 'out'
  /** How its connection ended. */
  ended: 'leave' | 'timeout' | null
  /** Until when it may come back, once its connection was lost. */
  grace: Deadline<Stay> | null
}

/** What a stay is known by: its channel and its member. */
export const nameOf = ({ channel, who }: Pick<Stay, 'channel' | 'who'>): string => `${channel.name}\n${who.memberId}`

/** Whether it is a member to be kept. Whoever is on the way out, or may be on the way to another node, is not. */
export const isThere = ({ phase, ended }: Stay): boolean => phase === 'in' && ended === null

/** What holds for the members of a channel. Throws `PUSH_NO_PRESENCE` where there are none. */
export function rulesOf ({ rules }: Channel): PresenceRules {
  if (rules.presence === null) throw new PushError('PUSH_NO_PRESENCE')
  return rules.presence
}
