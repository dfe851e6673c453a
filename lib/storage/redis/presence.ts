import { presenceLogOf } from '../../core/presence-log.js'
import type { EnterChange, Entered, LeaveChange, Left, MemberFence, MemberPage, Orphan, PresenceStore, StoredMember } from '../../../types/presence-store.js'
import type { Retention } from '../../../types/retention.js'
import type { Keys } from './keys.js'
import { newEpoch } from './log.js'
import { CHANNELS, COUNT, ENTER, FORGET_NODE, HELD, HOLD, KNOW, LAPSED, LEAVE, LIST, RENEW, SEEN, UNHOLD } from './lua/presence.js'
import type { Argument, Reply } from './connection.js'
import type { Operation, Operations } from './operations.js'

/** What was noted before is done by then, or never: longer than any operation takes. Milliseconds. */
const SETTLED = 60_000

/** For how long a node without a lease is looked after, in milliseconds. */
const NODE = 3_600_000

/** What is asked for, or forgotten, at once. */
const AT_ONCE = 1000

/** Anonymous members have no user. */
const NOBODY = '-'

export interface PresenceParts {
  readonly keys: Keys
  readonly operations: Operations
  readonly announce: string
}

/** Who is in which channel. All of a channel is in its slot. In which channels a node has members is noted in another one: before the first enters, and forgotten after the last has left. */
export class RedisPresence implements PresenceStore {
  readonly #parts: PresenceParts
  /** What was noted, by node and channel. */
  readonly #noted = new Map<string, Promise<unknown>>()
  /** Of those, which have no members any more, since when, in order. */
  readonly #left = new Map<string, { readonly node: string, readonly channel: string, readonly at: number }>()

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
    const [left, emptied] = await this.#parts.operations.write(LEAVE, operation) as [number, Buffer]
    if (emptied.length > 0) this.#empty(String(emptied), channel)
    return { left: left === 1 }
  }

  async list (channel: string, { after, limit, bytes }: { readonly after: string | null, readonly limit: number, readonly bytes: number }): Promise<MemberPage> {
    const { root, tag } = this.#parts.keys.channel(channel)
    const { meta, log } = this.#parts.keys.channel(presenceLogOf(channel))
    const keys = [meta, log, `${root}:members`, `${root}:order`, `${root}:users`]
    const reply = await this.#parts.operations.read(LIST, { keys, args: [newEpoch(), after ?? '', limit, bytes], tag }) as Reply[]
    const [epoch, head, connections, users, next, ...found] = reply
    return {
      members: membersOf(found),
      next: (next as Buffer).length === 0 ? null : String(next),
      connections: Number(connections),
      users: Number(users),
      position: { epoch: String(epoch), offset: Number(head) }
    }
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
    const had = await this.#parts.operations.write(RENEW, this.#leases(node, Math.ceil(ttl))) === 1
    if (!had) this.#forget(node)
    this.#unhold().catch(() => {}) // what stays noted is found to be empty when this node is gone
    return had
  }

  async orphans (limit: number): Promise<readonly Orphan[]> {
    const { keys, operations } = this.#parts
    const found: Orphan[] = []
    const nodes = await operations.read(LAPSED, this.#leases(limit)) as Buffer[]
    for (const node of nodes.map(String)) {
      const channels = await operations.read(CHANNELS, { keys: [keys.node(node)], args: [limit], tag: keys.node(node) }) as Buffer[]
      for (const channel of channels.map(String)) {
        if (found.length >= limit) return found
        const members = await this.#held(channel, node, limit - found.length)
        for (const member of members) found.push({ channel, member })
        if (members.length === 0) await operations.write(UNHOLD, { keys: [keys.node(node)], args: [channel, SETTLED], tag: keys.node(node) })
      }
      if (channels.length === 0) await operations.write(FORGET_NODE, this.#leases(node, NODE))
    }
    return found
  }

  async #held (channel: string, node: string, limit: number): Promise<StoredMember[]> {
    const { root, tag } = this.#parts.keys.channel(channel)
    return membersOf(await this.#parts.operations.read(HELD, { keys: [`${root}:members`, `${root}:holders`], args: [node, limit], tag }) as Reply[])
  }

  // Before a member enters: whoever looks for what this node leaves behind must find it.
  #note (node: string, channel: string): Promise<unknown> {
    const name = `${node}\n${channel}`
    this.#left.delete(name)
    let noted = this.#noted.get(name)
    if (noted === undefined) {
      const { keys, operations } = this.#parts
      noted = Promise.all([
        operations.write(KNOW, this.#leases(node)),
        operations.write(HOLD, { keys: [keys.node(node)], args: [channel], tag: keys.node(node) })
      ])
      this.#noted.set(name, noted)
      noted.catch(() => { if (this.#noted.get(name) === noted) this.#noted.delete(name) })
    }
    return noted
  }

  // The last member that a node had in a channel has left. What this process did not note, it does not forget.
  #empty (node: string, channel: string): void {
    const name = `${node}\n${channel}`
    if (this.#noted.has(name)) this.#left.set(name, { node, channel, at: performance.now() })
  }

  // Only once nobody can be on the way any more that found it noted.
  async #unhold (): Promise<void> {
    const { keys, operations } = this.#parts
    const due = performance.now() - SETTLED
    const done: Promise<unknown>[] = []
    for (const [name, { node, channel, at }] of this.#left) {
      if (at > due || done.length >= AT_ONCE) break
      this.#left.delete(name)
      this.#noted.delete(name)
      done.push(operations.write(UNHOLD, { keys: [keys.node(node)], args: [channel, SETTLED], tag: keys.node(node) }))
    }
    await Promise.all(done)
  }

  // The store may have lost what it had of a node.
  #forget (node: string): void {
    for (const name of this.#noted.keys()) {
      if (name.startsWith(`${node}\n`)) this.#noted.delete(name)
    }
  }

  #leases (...args: Argument[]): Operation {
    const { leases } = this.#parts.keys
    return { keys: [leases], args, tag: leases }
  }

  #change (channel: string, key: string, { limit, bytes, ttl }: Retention, rest: Argument[]): Operation {
    const { keys, announce } = this.#parts
    const { root, tag } = keys.channel(channel)
    const { meta, log, feed } = keys.channel(presenceLogOf(channel))
    return {
      keys: [meta, log, ...['members', 'order', 'holders', 'users', `departed:${key}`, 'seen'].map((name) => `${root}:${name}`)],
      args: [newEpoch(), announce, feed, limit, bytes, Math.ceil(ttl), ...rest],
      tag
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
