import type { QoS } from '../../types/message.js'
import { PushError, toPushError } from '../core/errors.js'
import { MAX_DEPTH } from '../protocol/version.js'
import { isCount, isMessageId } from './saved-value.js'

/** What the client needs of an AbortSignal; any object of this shape will do. */
export interface AbortSignalLike {
  readonly aborted: boolean
  addEventListener (type: 'abort', listener: () => void): unknown
  removeEventListener (type: 'abort', listener: () => void): unknown
}

export interface PublishOptions {
  /** Default 1. */
  qos?: QoS
  /** An id of the application's own: the same message under the same id is stored once, as long as the server remembers. */
  id?: string
  /** Milliseconds for which the message is of use. Counts from the call. */
  ttl?: number
  /** Gives the publish up: `PUSH_ABORTED` if it was not sent, otherwise `PUSH_UNKNOWN`. */
  signal?: AbortSignalLike
}

/** What a publish frame says, with its data encoded. */
export interface Encoded {
  readonly channel: string
  readonly qos: QoS
  readonly json: string
  readonly id?: string | undefined
  readonly ttl?: number | undefined
}

/** The frame of [P-5.1] and [P-5.2], around data that was encoded when the application handed it over. */
export function publishFrame ({ channel, qos, json, id, ttl }: Encoded, sequence?: number, publisher?: string): string {
  return `{"type":"publish","channel":"${channel}","qos":${qos}${field('publisher', publisher)}${field('sequence', sequence)}` +
    `${field('id', id)}${field('ttl', ttl)},"data":${json}}`
}

function field (name: string, value: string | number | undefined): string {
  return value === undefined ? '' : `,"${name}":${JSON.stringify(value)}`
}

/** Throws `PUSH_INVALID` for whatever the server would answer by closing the connection. */
export function checkPublish (data: unknown, { qos = 1, id, ttl }: PublishOptions): void {
  if (![0, 1, 2].includes(qos)) throw new PushError('PUSH_INVALID', 'qos must be 0, 1 or 2')
  if (id !== undefined && !isMessageId(id)) throw new PushError('PUSH_INVALID', 'id must be 1 to 128 characters')
  if (ttl !== undefined && !isCount(ttl)) throw new PushError('PUSH_INVALID', 'ttl must be a positive integer of milliseconds')
  if (isDeeperThan(data, MAX_DEPTH - 1)) throw new PushError('PUSH_INVALID', 'data is nested too deeply')
}

/** The data as JSON. Throws `PUSH_INVALID` where JSON cannot hold it. */
export function encode (data: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(data)
  } catch (error) {
    throw toPushError(error, 'PUSH_INVALID')
  }
  if (json === undefined) throw new PushError('PUSH_INVALID', 'data must be something that JSON can hold')
  return json
}

// Stops at the bound, so a circle ends too.
function isDeeperThan (value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((each) => isDeeperThan(each, levels - 1))
}
