import type { Gap, Position } from '../../types/message.js'

/** A message by who published it, where, and the how manyth of that publisher in that channel it is. */
export interface Numbered {
  readonly publisher: string
  readonly channel: string
  readonly number: number
}

/** The data of every message of a run. */
export type Payload = Pick<Numbered, 'publisher' | 'number'>

/** What happened, in the order in which the applications saw it. */
export type Event =
  /** The application publishes. */
  | Numbered & { readonly type: 'invoke', readonly qos: 1 | 2 }
  /** How a publish ended. `unknown`: it may be stored; also what the process was killed over. */
  | Numbered & { readonly type: 'ok', readonly position: Position | null }
  | Numbered & { readonly type: 'refused' }
  /** `late`: nobody tried it again, and it may be stored at any time, after what was published later. */
  | Numbered & { readonly type: 'unknown', readonly late?: true }
  /** A publisher's process ended without a word: what its store had not yet taken in is forgotten. */
  | { readonly type: 'publisher-killed', readonly publisher: string }
  /** A subscriber that is to have everything in the channel from its first record on. Without `qos`: that of each message. */
  | { readonly type: 'subscribed', readonly subscriber: string, readonly channel: string, readonly qos?: 1 | 2 }
  /** A handler is called. */
  | Numbered & { readonly type: 'handed', readonly subscriber: string, readonly position: Position }
  /** The subscriber is connected, again. */
  | { readonly type: 'connected', readonly subscriber: string }
  /** The subscriber's process ended without a word; `saved`: the position its store had for each channel. */
  | { readonly type: 'subscriber-killed', readonly subscriber: string, readonly saved: Readonly<Record<string, Position>> }
  /** The subscriber is told that it will not have these; without a range, that it is unknown what it will not have, and that it stands at `position` now. */
  | Gap & { readonly type: 'gap', readonly subscriber: string }
  /** The store was started again, or another server has taken over: its logs are unverified. */
  | { readonly type: 'store-restarted' }
  /** What the log holds at the end. */
  | Numbered & { readonly type: 'kept', readonly position: Position }

/** Names a message in a text. */
export function keyOf ({ publisher, channel, number }: Numbered): string {
  return `${publisher}#${number} in ${channel}`
}
