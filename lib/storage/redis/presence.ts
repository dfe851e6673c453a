import { PushError } from '../../core/errors.js'
import { presenceLogOf } from '../../core/presence-log.js'
import type { EnterChange, Entered, HeldPage, LeaveChange, Left, MemberFence, MemberPage, Orphan, PresenceStore, StoredMember } from '../../../types/presence-store.js'
import type { Retention } from '../../../types/retention.js'
import type { Keys } from './keys.js'
import { newEpoch } from '../epoch.js'
import { CHANNELS, COUNT, ENTER, FORGET_NODE, HELD, HOLD, KNOW, LAPSED, LEAVE, LIST, RENEW, SEEN, TEND_MEMBERS, UNHOLD } from './lua/presence.js'
import type { Argument, Reply } from './connection.js'
import type { Operation } from './calls.js'
import type { Operations } from './operations.js'
import { SharedWork } from './shared-work.js'

/** What was noted before is done by then, or never: longer than any operation takes. And so long a note is good for who enters, before it is made again. Milliseconds. */
const SETTLED = 60_000

/** For how long a node without a lease is looked after, in milliseconds. */
const NODE = 3_600_000

/** What is asked for at once. */
const AT_ONCE = 1000

/** Channels of a node that is gone that are looked at together, and bytes of members of each. */
const LOOKED_AT = 100
const READ_AT_ONCE = 10
const HELD_BYTES = 64 * 1024

/** The keys of a channel that say who is a member. */
const WHOLE = ['members', 'order', 'holders', 'users']

/** Anonymous members have no user. */
const NOBODY = '-'

export interface PresenceParts {
  readonly keys: Keys
  readonly operations: Operations
  readonly announce: string
}

/** Members of one channel that a node holds, and the key to go on after, or ''. */
interface HeldOf {
  readonly members: readonly Orphan[]
  readonly next: string
}

const NOTHING: HeldOf = { members: [], next: '' }

/**
 * Who is in which channel. All of a channel is in its slot. In which channels a node has members is noted in another one, before one enters: an old note of a channel in which
 * the node holds nobody is forgotten.
 */
export class RedisPresence implements PresenceStore {
  readonly #parts: PresenceParts
  /** What was noted, by node and channel, in order. */
  readonly #noted = new Map<string, { readonly at: number, readonly done: Promise<unknown> }>()
  /** Channels whose members are being tended. */
  readonly #tending = new SharedWork()

  constructor (parts: PresenceParts) {
    this.#parts = parts
  }

  async enter (channel: string, member: StoredMember, { events, retention }: EnterChange): Promise<Entered> {
    const { key, generation, number, node, user, body } = member
    await this.#note(node, channel)
    const operation = this.#change(channel, key, retention, [key, generation, number, node, userOf(user), body, events.join, events.back, events.update])
    const [change, epoch, head] = await this.#parts.operations.write(ENTER, operation) as [Buffer, Buffer, number]
    return { change: String(change) as Entered['change'], position: { epoch: String(epoch), offset: head } }
  }

  async leave (channel: string, { key, generation, number }: MemberFence, { cause, event, retention, remember, seen }: LeaveChange): Promise<Left> {
    const operation = this.#change(channel, key, retention, [key, generation, number, cause, event, Math.ceil(remember), Math.ceil(seen)])
    return { left: await this.#parts.operations.write(LEAVE, operation) === 1 }
  }

  async list (channel: string, query: { readonly after: string | null, readonly limit: number, readonly bytes: number }): Promise<MemberPage> {
    let reply = await this.#list(channel, query)
    if (reply === null) {
      await this.#tend(channel)
      reply = await this.#list(channel, query)
    }
    if (reply === null) throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'members are gone as soon as they are tended')
    const [epoch, head, connections, users, next, wantsTending, ...found] = reply
    if (wantsTending === 1) this.#tend(channel).catch(() => {}) // whoever lists next sees to it
    return {
      members: membersOf(found),
      next: (next as Buffer).length === 0 ? null : String(next),
      connections: Number(connections),
      users: Number(users),
      position: { epoch: String(epoch), offset: Number(head) }
    }
  }

  // `null` where only a write can tell: members and their log are not whole, or the log wants to be made, or a new epoch.
  async #list (channel: string, { after, limit, bytes }: { readonly after: string | null, readonly limit: number, readonly bytes: number }): Promise<Reply[] | null> {
    const operation = { ...this.#whole(channel), answer: limit === 0 ? 0 : bytes }
    const reply = await this.#parts.operations.read(LIST, { ...operation, args: [...operation.args, after ?? '', limit, bytes] })
    return Array.isArray(reply) ? reply : null
  }

  #tend (channel: string): Promise<unknown> {
    return this.#tending.run(channel, () => this.#parts.operations.read(TEND_MEMBERS, this.#whole(channel)))
  }

  async counts (channels: readonly string[]): Promise<readonly number[]> {
    const { keys, operations } = this.#parts
    const counts: number[] = []
    for (let i = 0; i < channels.length; i += AT_ONCE) {
      counts.push(...await Promise.all(channels.slice(i, i + AT_ONCE).map(async (channel) => {
        const { root, tag } = keys.channel(channel)
        return await operations.read(COUNT, { keys: [`${root}:order`], args: [], tag }) as number
      })))
    }
    return counts
  }

  async lastSeen (channel: string): Promise<number | null> {
    const { root, tag } = this.#parts.keys.channel(channel)
    const at = String(await this.#parts.operations.read(SEEN, { keys: [`${root}:seen`], args: [], tag }))
    return at === '' ? null : Number(at)
  }

  async renew (node: string, ttl: number): Promise<boolean> {
    let had = false
    try {
      had = await this.#parts.operations.write(RENEW, this.#leases(node, Math.ceil(ttl))) === 1
    } finally {
      if (!had) this.#noted.clear() // the store may have lost what it had of the node
    }
    this.#tidy()
    return had
  }

  async orphans (limit: number): Promise<readonly Orphan[]> {
    const { operations } = this.#parts
    const found: Orphan[] = []
    const failures: unknown[] = []
    for (const node of (await operations.read(LAPSED, this.#leases(limit)) as Buffer[]).map(String)) {
      const channels = await this.#channelsOf(node, 0, limit)
      for (let i = 0; i < channels.length && found.length < limit; i += LOOKED_AT) {
        await Promise.all(channels.slice(i, i + LOOKED_AT).map(async (channel) => {
          try {
            found.push(...(await this.#heldBy(node, channel, { after: '', limit })).members)
          } catch (error) {
            failures.push(error)
          }
        }))
      }
      if (channels.length === 0) await operations.write(FORGET_NODE, this.#leases(node, NODE))
    }
    // Where a channel cannot be read now, others can.
    if (found.length === 0 && failures.length > 0) throw failures[0]
    return found.slice(0, limit)
  }

  async held (node: string, { after, limit }: { readonly after: string | null, readonly limit: number }): Promise<HeldPage> {
    const [place, key] = (after ?? '0 ').split(' ') as [string, string]
    const from = Number(place)
    const channels = await this.#channelsOf(node, from, Math.min(limit, LOOKED_AT))
    const members: Orphan[] = []
    let at = 0
    while (at < channels.length && members.length < limit) {
      const rest = at === 0 ? key : '' // of the one with which the last page ended
      const some = channels.slice(at, rest === '' ? at + READ_AT_ONCE : 1)
      // Where a channel cannot be read now, others can.
      const pages = await Promise.all(some.map((channel) => this.#heldBy(node, channel, { after: rest, limit }).catch(() => NOTHING)))
      const cut = pages.findIndex(({ next }) => next !== '')
      members.push(...pages.slice(0, cut < 0 ? undefined : cut + 1).flatMap((page) => page.members))
      if (cut >= 0) return { members, next: `${from + at + cut} ${pages[cut]?.next}` }
      at += some.length
    }
    return { members, next: channels.length === 0 ? null : `${from + at} ` }
  }

  async #channelsOf (node: string, from: number, limit: number): Promise<string[]> {
    const { keys, operations } = this.#parts
    return (await operations.read(CHANNELS, { keys: [keys.node(node)], args: [from, limit], tag: keys.node(node) }) as Buffer[]).map(String)
  }

  async #heldBy (node: string, channel: string, { after, limit }: { readonly after: string, readonly limit: number }): Promise<HeldOf> {
    const { keys, operations } = this.#parts
    const { root, tag } = keys.channel(channel)
    const operation = { keys: [`${root}:members`, `${root}:holders`], args: [node, after, limit, HELD_BYTES], tag, answer: HELD_BYTES }
    const [next, ...found] = await operations.read(HELD, operation) as Reply[]
    // A note is good for that long, and whoever enters on it is done as long afterwards.
    if (found.length === 0 && after === '') await operations.write(UNHOLD, { keys: [keys.node(node)], args: [channel, 2 * SETTLED], tag: keys.node(node) })
    return { members: membersOf(found).map((member) => ({ channel, member })), next: String(next) }
  }

  // Before a member enters: whoever looks for what this node leaves behind must find it.
  #note (node: string, channel: string): Promise<unknown> {
    const name = `${node}\n${channel}`
    const noted = this.#noted.get(name)
    if (noted !== undefined && performance.now() - noted.at < SETTLED) return noted.done
    const { keys, operations } = this.#parts
    const done = Promise.all([
      operations.write(KNOW, this.#leases(node)),
      operations.write(HOLD, { keys: [keys.node(node)], args: [channel], tag: keys.node(node) })
    ])
    const note = { at: performance.now(), done }
    this.#noted.delete(name)
    this.#noted.set(name, note)
    done.catch(() => { if (this.#noted.get(name) === note) this.#noted.delete(name) })
    return done
  }

  // Forgets what is no note any more.
  #tidy (): void {
    const now = performance.now()
    for (const [name, { at }] of this.#noted) {
      if (now - at < SETTLED) break
      this.#noted.delete(name)
    }
  }

  #leases (...args: Argument[]): Operation {
    const { leases } = this.#parts.keys
    return { keys: [leases], args, tag: leases }
  }

  // All that is kept of a channel's members together.
  #whole (channel: string): Operation {
    const { root, tag } = this.#parts.keys.channel(channel)
    const { meta, log } = this.#parts.keys.channel(presenceLogOf(channel))
    return { keys: [meta, log, ...WHOLE.map((name) => `${root}:${name}`)], args: [newEpoch()], tag }
  }

  #change (channel: string, key: string, { limit, bytes, ttl }: Retention, rest: Argument[]): Operation {
    const { keys, announce } = this.#parts
    const { root } = keys.channel(channel)
    const whole = this.#whole(channel)
    return {
      ...whole,
      keys: [...whole.keys, `${root}:departed:${key}`, `${root}:seen`],
      args: [...whole.args, announce, keys.channel(presenceLogOf(channel)).feed, limit, bytes, Math.ceil(ttl), ...rest]
    }
  }
}

const userOf = (user: string | null): string => user === null ? NOBODY : `=${encodeURIComponent(user)}`

// Of each its key and its text: `generation number node user`, a line break, the body.
function membersOf (found: readonly Reply[]): StoredMember[] {
  const members: StoredMember[] = []
  for (let i = 0; i < found.length; i += 2) {
    const text = found[i + 1] as Buffer
    const end = text.indexOf('\n')
    const [generation, number, node = '', user = NOBODY] = text.toString('utf8', 0, end).split(' ')
    members.push({
      key: String(found[i]),
      generation: Number(generation),
      number: Number(number),
      node,
      user: user === NOBODY ? null : decodeURIComponent(user.slice(1)),
      body: text.subarray(end + 1)
    })
  }
  return members
}
