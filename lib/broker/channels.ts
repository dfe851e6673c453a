import type { Authorize, ChannelOptions, QoS, Retention } from '../../types/index.js'
import { isChannelName } from '../core/channel-name.js'
import { ChannelPatterns } from '../core/channel-patterns.js'
import { parseDuration } from '../core/duration.js'
import { PushError } from '../core/errors.js'

/** What was declared for a pattern, with defaults filled in. */
export interface ChannelRules {
  readonly pattern: string
  readonly retention: Retention
  /** Whether clients may read the log, and whether it keeps QoS 0 messages. */
  readonly history: boolean
  readonly qos: QoS
  readonly clientPublish: boolean
  readonly authorize: Authorize | undefined
}

/** A channel by name, with the rules of the pattern it belongs to. */
export interface Channel {
  readonly name: string
  readonly params: Readonly<Record<string, string>>
  readonly rules: ChannelRules
}

const DAY = 86_400_000
const MIB = 1024 * 1024

/** The declared channels. Only these exist. */
export class Channels {
  readonly #patterns = new ChannelPatterns<ChannelRules>()
  readonly #sessionTtl: number

  /** `sessionTtl`: how long a channel without history keeps its records, in milliseconds. */
  constructor (sessionTtl: number) {
    this.#sessionTtl = sessionTtl
  }

  /** Throws `PUSH_CHANNEL_INVALID`, `PUSH_CHANNEL_AMBIGUOUS` or `PUSH_OPTIONS`. */
  declare (pattern: string, options: ChannelOptions = {}): void {
    this.#patterns.add(pattern, readRules(pattern, options, this.#sessionTtl))
  }

  /** Throws `PUSH_CHANNEL_INVALID` for what is no name, `PUSH_CHANNEL_UNKNOWN` for what was not declared. */
  find (name: string): Channel {
    if (!isChannelName(name)) throw new PushError('PUSH_CHANNEL_INVALID')
    const match = this.#patterns.match(name)
    if (match === null) throw new PushError('PUSH_CHANNEL_UNKNOWN')
    return { name, params: match.params, rules: match.value }
  }
}

function readRules (pattern: string, options: ChannelOptions, sessionTtl: number): ChannelRules {
  const wrong = (why: string) => new PushError('PUSH_OPTIONS', `channel '${pattern}': ${why}`)
  if (typeof options !== 'object' || options === null) throw wrong('options must be an object')
  const { history = false, qos = 1, clientPublish = false, authorize } = options
  if (qos !== 0 && qos !== 1 && qos !== 2) throw wrong('qos must be 0, 1 or 2')
  if (typeof clientPublish !== 'boolean') throw wrong('clientPublish must be a boolean')
  if (authorize !== undefined && typeof authorize !== 'function') throw wrong('authorize must be a function')
  if (typeof history !== 'boolean' && (typeof history !== 'object' || history === null)) throw wrong('history must be a boolean or an object')
  const kept = typeof history === 'object' ? history : {}
  const { limit = 1000, bytes = 16 * MIB } = kept
  if (!Number.isSafeInteger(limit) || limit < 1) throw wrong('history.limit must be a positive integer')
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw wrong('history.bytes must be a positive integer')
  const ttl = history === false ? sessionTtl : parseDuration(kept.ttl ?? 7 * DAY, `channel '${pattern}': history.ttl`)
  return { pattern, retention: { limit, bytes, ttl }, history: history !== false, qos, clientPublish, authorize }
}
