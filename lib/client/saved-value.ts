import type { Position } from '../../types/message.js'
import { INBOX, isChannelName } from '../core/channel-name.js'
import { isPosition } from '../core/position.js'

/** An unacknowledged message, as it outlives its process. */
export interface SavedMessage {
  readonly channel: string
  readonly qos: 1 | 2
  readonly json: string
  readonly id?: string | undefined
  /** When it is of no use any more, in milliseconds since 1970. */
  readonly expires?: number | undefined
  /** Both only once it may have been sent. */
  readonly publisher?: string | undefined
  readonly sequence?: number | undefined
}

/** The one value that a client keeps in its store. */
export interface SavedValue {
  readonly version: 1
  readonly session: string
  readonly cursors: Readonly<Record<string, Position>>
  readonly outbox: readonly SavedMessage[]
}

const SECRET = /^[\w-]{16,64}$/

/**
 * Reads what a store held. Throws for whatever is not whole: parts of it would not fit together, and the server would end every
 * connection on what breaks the protocol.
 */
export function readSaved (text: string): SavedValue {
  const value = JSON.parse(text) as Partial<SavedValue> | null
  const isWhole = value?.version === 1 && isSecret(value.session) && isCursors(value.cursors) &&
    Array.isArray(value.outbox) && value.outbox.every(isMessage)
  if (!isWhole) throw new Error('the store holds no state of this version')
  return value as SavedValue
}

function isSecret (value: unknown): boolean {
  return typeof value === 'string' && SECRET.test(value)
}

function isCursors (value: unknown): boolean {
  return typeof value === 'object' && value !== null &&
    Object.entries(value).every(([channel, position]) => (channel === INBOX || isChannelName(channel)) && isPosition(position))
}

function isMessage (value: Partial<SavedMessage> | null): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { channel, qos, json, id, expires, publisher, sequence } = value
  const isKeyed = publisher === undefined ? sequence === undefined : isSecret(publisher) && isCount(sequence)
  return isChannelName(channel) && (qos === 1 || qos === 2) && isJson(json) && isKeyed &&
    (id === undefined || isMessageId(id)) && (expires === undefined || isCount(expires))
}

/** An id of the application's own: 1 to 128 characters. */
export function isMessageId (value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 128
}

/** A positive integer that JSON carries exactly. */
export function isCount (value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function isJson (value: unknown): boolean {
  if (typeof value !== 'string') return false
  JSON.parse(value) // throws, as its caller does
  return true
}
