import type { Authorize, ChannelOptions, Deliver, QoS, Retention, SlowPolicy } from '../../types/index.js'
import { isChannelName } from '../core/channel-name.js'
import { ChannelPatterns } from '../core/channel-patterns.js'
import { parseDuration } from '../core/duration.js'
import { PushError } from '../core/errors.js'
import { isUserId, NO_USER_ID } from '../core/user-id.js'
import { NO_HOOKS, type ChannelHooks } from './hooks.js'
import { ANY_INBOX, INBOX, PRESENCE, USER, anyInboxOf, inboxOf, presenceLogOf, userChannelOf } from './own-channels.js'
import { compileSchema, type DataSchema } from './schema.js'
import type { PresenceSettings } from './settings.js'

/** How the members of a channel are kept. */
export interface PresenceRules {
  /** Milliseconds that a member outlives its connection. */
  readonly grace: number
  /** Bytes of JSON that it may enter with. */
  readonly data: number
}

/** What was declared for a pattern, with defaults filled in. */
export interface ChannelRules {
  readonly pattern: string
  readonly retention: Retention
  /** Whether clients may read the log, and whether it keeps QoS 0 messages. */
  readonly history: boolean
  readonly qos: QoS
  readonly clientPublish: boolean
  readonly slow: SlowPolicy
  /** `null` where there are no members. */
  readonly presence: PresenceRules | null
  readonly authorize: Authorize | undefined
  /** What its messages are; `null`: any JSON. */
  readonly schema: DataSchema | null
  readonly hooks: ChannelHooks
}

/** What a channel is: declared by the host, a user's inbox, the comings and goings of a channel's members, or a user's clients, which has members only. */
export type ChannelKind = 'declared' | 'inbox' | 'presence' | 'user'

/** A channel by name, with the rules of the pattern it belongs to. */
export interface Channel {
  /** In the storage. */
  readonly name: string
  /** In frames. Another name only where all who may know the channel call it the same: `$inbox`. */
  readonly wire: string
  readonly kind: ChannelKind
  /** Of kind `presence`: the channel whose members they are. */
  readonly of?: Channel
  /** Of kind `inbox`: whether one client at a time reads it, by a lease, from a cursor that is the user's. */
  readonly leased?: true
  readonly params: Readonly<Record<string, string>>
  readonly rules: ChannelRules
}

/** Names whose channels are kept at hand: most publishes are to few channels. */
const KEPT_NAMES = 10_000

const DAY = 86_400_000
const MIB = 1024 * 1024

/** What a member may enter with at the most, whatever is declared, in bytes. */
const MOST_DATA = 64 * 1024

const SLOW_POLICIES: readonly SlowPolicy[] = ['catch-up', 'drop', 'disconnect']

/** The declared channels. Only these exist. */
export class Channels {
  readonly #patterns = new ChannelPatterns<ChannelRules>()
  readonly #declared: ChannelRules[] = []
  readonly #sessionTtl: number
  readonly #kept = new Map<string, Channel>()
  readonly #inboxRules: ChannelRules
  readonly #userRules: ChannelRules
  readonly #presence: PresenceSettings
  /** What the logs keep in which members come and go: enough for whoever is away for a while; whoever is away for longer reads the list again. */
  readonly presenceRetention: Retention

  /**
   * `sessionTtl`: how long a channel without history keeps its records, in milliseconds. `inbox`: what a user's inbox keeps. `presence`: what holds for members where
   * nothing else is said. `ownHooks`: those of the plugin's own channels.
   */
  constructor (sessionTtl: number, inbox: Retention, presence: PresenceSettings, ownHooks = NO_HOOKS) {
    this.#sessionTtl = sessionTtl
    this.#presence = presence
    this.presenceRetention = { limit: 1000, bytes: 32 * MOST_DATA, ttl: sessionTtl }
    this.#inboxRules = {
      pattern: INBOX,
      retention: inbox,
      history: true,
      qos: 1,
      clientPublish: false,
      slow: 'catch-up',
      presence: null,
      authorize: undefined,
      schema: null,
      hooks: ownHooks
    }
    this.#userRules = { ...this.#inboxRules, pattern: USER, history: false, presence: { grace: presence.grace, data: 0 } }
  }

  /** What was declared, in that order. */
  get declared (): readonly ChannelRules[] {
    return this.#declared
  }

  /** Throws `PUSH_CHANNEL_INVALID`, `PUSH_CHANNEL_AMBIGUOUS` or `PUSH_OPTIONS`. */
  declare (pattern: string, options: ChannelOptions = {}, hooks = NO_HOOKS): void {
    const rules = { ...readRules(pattern, options, this.#sessionTtl, this.#presence.grace), hooks }
    this.#patterns.add(pattern, rules)
    this.#declared.push(rules)
    this.#kept.clear() // the new pattern may be the more specific one
  }

  /** A declared channel. Throws `PUSH_CHANNEL_INVALID` for what is no name, `PUSH_CHANNEL_UNKNOWN` for what was not declared. */
  find (name: string): Channel {
    const kept = this.#kept.get(name)
    if (kept !== undefined) return kept
    if (!isChannelName(name)) throw new PushError('PUSH_CHANNEL_INVALID')
    const match = this.#patterns.match(name)
    if (match === null) throw new PushError('PUSH_CHANNEL_UNKNOWN')
    const channel: Channel = { name, wire: name, kind: 'declared', params: Object.freeze(match.params), rules: match.value }
    if (this.#kept.size >= KEPT_NAMES) this.#kept.clear()
    this.#kept.set(name, channel)
    return channel
  }

  /** The channel that a client means. Throws as `find` does, `PUSH_FORBIDDEN` for the inbox of nobody, and `PUSH_NO_PRESENCE` where there are no members to hear of. */
  reach (name: string, { userId }: { readonly userId?: string }): Channel {
    if (name.startsWith(PRESENCE)) return this.presenceOf(this.withMembers(name.slice(PRESENCE.length)))
    if (name !== INBOX && name !== ANY_INBOX) return this.find(name)
    if (userId === undefined) throw new PushError('PUSH_FORBIDDEN', 'an inbox belongs to a user')
    return this.inbox(userId, name === INBOX ? 'all' : 'any')
  }

  /** The inbox of a user: what is for all of the user's clients, or for any one of them. Throws `PUSH_INVALID` for what names no user, and for another `deliver`. */
  inbox (userId: string, deliver: Deliver = 'all'): Channel {
    if (!isUserId(userId)) throw new PushError('PUSH_INVALID', NO_USER_ID)
    const common = { kind: 'inbox', params: { userId }, rules: this.#inboxRules } as const
    if (deliver === 'all') return { name: inboxOf(userId), wire: INBOX, ...common }
    if (deliver === 'any') return { name: anyInboxOf(userId), wire: ANY_INBOX, leased: true, ...common }
    throw new PushError('PUSH_INVALID', "deliver must be 'all' or 'any'")
  }

  /** A channel that has members: a declared one, or the clients of a user. Throws as `find` does, and `PUSH_NO_PRESENCE`. */
  withMembers (name: string): Channel {
    const channel = name.startsWith(USER) ? this.user(userIn(name)) : this.find(name)
    if (channel.rules.presence === null) throw new PushError('PUSH_NO_PRESENCE')
    return channel
  }

  /** The same, or `null`: a node lets members of channels leave that were not declared on it. */
  withMembersOrNull (name: string): Channel | null {
    try {
      return this.withMembers(name)
    } catch {
      return null
    }
  }

  /** The channel whose members are a user's clients. Throws `PUSH_NO_PRESENCE` where nobody is to know of them. */
  user (userId: string): Channel {
    if (!this.#presence.online) throw new PushError('PUSH_NO_PRESENCE')
    const name = userChannelOf(userId)
    return { name, wire: name, kind: 'user', params: { userId }, rules: this.#userRules }
  }

  /** The same, or `null` there. */
  userOrNull (userId: string): Channel | null {
    return this.#presence.online ? this.user(userId) : null
  }

  /** The log in which the members of a channel come and go. */
  presenceOf (of: Channel): Channel {
    const name = presenceLogOf(of.name)
    return { name, wire: name, kind: 'presence', of, params: of.params, rules: { ...of.rules, retention: this.presenceRetention, history: false, qos: 1, clientPublish: false, slow: 'catch-up', schema: null, hooks: NO_HOOKS } }
  }
}

// One name for each user: what is escaped otherwise is no name of a user's.
function userIn (name: string): string {
  try {
    const userId = decodeURIComponent(name.slice(USER.length))
    if (userId.length > 0 && userChannelOf(userId) === name) return userId
  } catch {} // not escaped as it should be
  throw new PushError('PUSH_CHANNEL_INVALID')
}

function readPresence (presence: ChannelOptions['presence'], grace: number, pattern: string): PresenceRules | null {
  const wrong = (why: string) => new PushError('PUSH_OPTIONS', `channel '${pattern}': ${why}`)
  if (presence === undefined || presence === false) return null
  if (presence !== true && (typeof presence !== 'object' || presence === null)) throw wrong('presence must be a boolean or an object')
  const options = presence === true ? {} : presence
  const { data = 1024 } = options
  if (!Number.isSafeInteger(data) || data < 1 || data > MOST_DATA) throw wrong(`presence.data must be an integer of 1 to ${MOST_DATA}`)
  return { grace: options.grace === undefined ? grace : parseDuration(options.grace, `channel '${pattern}': presence.grace`), data }
}

function readRules (pattern: string, options: ChannelOptions, sessionTtl: number, grace: number): Omit<ChannelRules, 'hooks'> {
  const wrong = (why: string) => new PushError('PUSH_OPTIONS', `channel '${pattern}': ${why}`)
  if (typeof options !== 'object' || options === null) throw wrong('options must be an object')
  const { history = false, qos = 1, clientPublish = false, slow = 'catch-up', schema } = options
  if (qos !== 0 && qos !== 1 && qos !== 2) throw wrong('qos must be 0, 1 or 2')
  if (typeof clientPublish !== 'boolean') throw wrong('clientPublish must be a boolean')
  if (!SLOW_POLICIES.includes(slow)) throw wrong(`slow must be one of ${SLOW_POLICIES.join(', ')}`)
  for (const name of ['authorize', 'onSubscribe', 'onPublish'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function') throw wrong(`${name} must be a function`)
  }
  if (typeof history !== 'boolean' && (typeof history !== 'object' || history === null)) throw wrong('history must be a boolean or an object')
  const kept = typeof history === 'object' ? history : {}
  const { limit = 1000, bytes = 16 * MIB } = kept
  if (!Number.isSafeInteger(limit) || limit < 1) throw wrong('history.limit must be a positive integer')
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw wrong('history.bytes must be a positive integer')
  const ttl = history === false ? sessionTtl : parseDuration(kept.ttl ?? 7 * DAY, `channel '${pattern}': history.ttl`)
  return {
    pattern,
    retention: { limit, bytes, ttl },
    history: history !== false,
    qos,
    clientPublish,
    slow,
    presence: readPresence(options.presence, grace, pattern),
    authorize: options.authorize,
    schema: schema === undefined ? null : compileSchema(pattern, schema)
  }
}
