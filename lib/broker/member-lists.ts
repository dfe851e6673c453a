import type { PresenceOptions, PresencePage } from '../../types/presence.js'
import type { MemberPage, PresenceStore } from '../../types/presence-store.js'
import { PushError } from '../core/errors.js'
import { isUserId, NO_USER_ID } from '../core/user-id.js'
import type { Channel, Channels } from './channels.js'
import { EncodedPages } from './encoded-pages.js'
import { encodeMemberPage } from './encoding.js'
import { decodeMember } from './presence-bodies.js'

/** Members of a page: if nothing is said, and at the most; and bytes. */
const PAGE_MEMBERS = 100
const MOST_MEMBERS = 1000
const PAGE_BYTES = 256 * 1024

/** Bytes of encoded pages that are kept for who asks next. */
const KEPT_BYTES = 8 * 1024 * 1024

/** Longest key of a member. */
const MAX_KEY = 64

/** Users that may be asked about at once. */
const MOST_USERS = 10_000

/** Who is in which channel, on whatever node. */
export class MemberLists {
  readonly #store: PresenceStore
  readonly #channels: Channels
  readonly #pages = new EncodedPages(KEPT_BYTES)

  constructor (store: PresenceStore, channels: Channels) {
    this.#store = store
    this.#channels = channels
  }

  /** A page of a channel's members. Rejects with `PUSH_INVALID` for wrong options. */
  async list (channel: Channel, options: PresenceOptions): Promise<PresencePage> {
    const { members, next, users, connections } = await this.#read(channel, options)
    return { members: members.map(decodeMember), next, users, connections }
  }

  /** The same with its position, encoded for {@link memberPageFrame}: once for all who ask before anything changes. */
  async encoded (channel: Channel, options: PresenceOptions): Promise<Buffer> {
    const page = await this.#read(channel, options)
    if (page.members.length === 0) return encodeMemberPage(channel.name, page)
    return this.#pages.of(`${channel.name} ${options.limit ?? ''} ${options.after ?? ''}`, page.position, () => encodeMemberPage(channel.name, page))
  }

  async #read ({ name }: Channel, { limit = PAGE_MEMBERS, after }: PresenceOptions): Promise<MemberPage> {
    if (!Number.isSafeInteger(limit) || limit < 0) throw new PushError('PUSH_INVALID', 'limit must be an integer of 0 or more')
    if (after !== undefined && (typeof after !== 'string' || after.length === 0 || after.length > MAX_KEY)) throw new PushError('PUSH_INVALID', 'after must be the `next` of a page')
    return await this.#store.list(name, { after: after ?? null, limit: Math.min(limit, MOST_MEMBERS), bytes: PAGE_BYTES })
  }

  /** Which of these users are online. Rejects with `PUSH_INVALID`, and `PUSH_NO_PRESENCE` where that is not known of users. */
  async online (users: readonly string[]): Promise<string[]> {
    if (!Array.isArray(users) || users.length > MOST_USERS) throw new PushError('PUSH_INVALID', `a list of ${MOST_USERS} users at the most`)
    const channels = users.map((user) => this.#user(user))
    const counts = await this.#store.counts(channels.map(({ name }) => name))
    return users.filter((_, i) => (counts[i] ?? 0) > 0)
  }

  /** When the last client of a user left; `null` while one is there, and if that is not known. Rejects as `online` does. */
  async lastSeen (user: string): Promise<Date | null> {
    const at = await this.#store.lastSeen(this.#user(user).name)
    return at === null ? null : new Date(at)
  }

  #user (user: string): Channel {
    if (!isUserId(user)) throw new PushError('PUSH_INVALID', NO_USER_ID)
    return this.#channels.user(user)
  }
}
