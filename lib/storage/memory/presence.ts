import type { Clock } from '../../core/clock.js'
import { PushError } from '../../core/errors.js'
import { presenceLogOf } from '../../core/presence-log.js'
import type { Retention } from '../../../types/retention.js'
import type { EnterChange, Entered, HeldPage, LeaveChange, Left, MemberFence, MemberPage, Orphan, PresenceStore, StoredMember } from '../../../types/presence-store.js'
import type { Budget } from './budget.js'
import type { Channels } from './channels.js'
import { ExpiringMap, type Expiring } from './expiring-map.js'
import type { Lifecycle } from '../lifecycle.js'
import type { MemoryLog } from './log.js'
import { Members, isLater } from './members.js'

/** Bytes of a member that are not its body, about. */
const MEMBER_BYTES = 128

/** What presence shares with the other ports, and its limit. */
export interface PresenceParts {
  readonly lifecycle: Lifecycle
  readonly clock: Clock
  readonly channels: Channels
  readonly log: MemoryLog
  readonly budget: Budget
  /** Channels of which it is known when the last member left, at the most. */
  readonly limit: number
}

interface Seen extends Expiring {
  readonly at: number
}

/** Who is in which channel, in memory. Every operation is done before the call returns: none interleaves with another. */
export class MemoryPresence implements PresenceStore {
  readonly #parts: PresenceParts
  readonly #leases = new ExpiringMap<Expiring>()
  /** The members of each node, with their channels. */
  readonly #held = new Map<string, Map<StoredMember, string>>()
  readonly #seen: ExpiringMap<Seen>

  constructor (parts: PresenceParts) {
    this.#parts = parts
    this.#seen = new ExpiringMap(parts.limit)
  }

  async enter (channel: string, given: StoredMember, { events, retention }: EnterChange): Promise<Entered> {
    const { lifecycle, clock, channels, budget, log } = this.#parts
    lifecycle.assertOpen()
    const now = clock.now()
    const members = channels.obtain(channel, now).members ??= new Members()
    const change = members.changeOf(given, now)
    if (change === 'fenced') return { change, position: log.head(presenceLogOf(channel)) }
    const member = { ...given, body: new Uint8Array(given.body) } // of its own: what is counted is what is held
    const held = members.get(given.key)
    const more = sizeOf(member) - (held === undefined ? 0 : sizeOf(held))
    if (!budget.reserve(more)) throw new PushError('PUSH_STORAGE_FULL')
    const announce = change === 'none' ? () => {} : this.#append(channel, events[change], retention, () => budget.reserve(-more))
    members.put(member)
    this.#unhold(held)
    this.#hold(channel, member)
    this.#seen.delete(channel)
    const position = log.head(presenceLogOf(channel))
    announce()
    return { change, position }
  }

  async leave (channel: string, fence: MemberFence, { cause, event, retention, remember, seen }: LeaveChange): Promise<Left> {
    const { lifecycle, clock, channels, budget } = this.#parts
    lifecycle.assertOpen()
    const now = clock.now()
    const members = channels.obtain(channel, now).members ??= new Members()
    const held = members.get(fence.key)
    if (held === undefined || isLater(held, fence)) {
      if (held === undefined) members.depart(fence, null, now + remember, now)
      return { left: false }
    }
    const announce = this.#append(channel, event, retention)
    members.take(fence.key)
    members.depart(fence, cause, now + remember, now)
    this.#unhold(held)
    budget.reserve(-sizeOf(held))
    if (members.size === 0 && seen > 0) this.#seen.add(channel, { at: clock.timestamp(), until: now + seen }, now)
    announce()
    return { left: true }
  }

  async list (channel: string, { after, limit, bytes }: { after: string | null, limit: number, bytes: number }): Promise<MemberPage> {
    const { lifecycle, channels, log } = this.#parts
    lifecycle.assertOpen()
    const members = channels.find(channel)?.members
    const { members: found, next } = members?.page(after, limit, bytes) ?? { members: [], next: null }
    const name = presenceLogOf(channel)
    return { members: found, next, connections: members?.size ?? 0, users: members?.users ?? 0, position: limit === 0 ? log.headIfAny(name) : log.head(name) }
  }

  async counts (names: readonly string[]): Promise<readonly number[]> {
    const { lifecycle, channels } = this.#parts
    lifecycle.assertOpen()
    return names.map((name) => channels.find(name)?.members?.size ?? 0)
  }

  async lastSeen (channel: string): Promise<number | null> {
    this.#parts.lifecycle.assertOpen()
    return this.#seen.get(channel, this.#parts.clock.now())?.at ?? null
  }

  async renew (node: string, ttl: number): Promise<boolean> {
    const { lifecycle, clock } = this.#parts
    lifecycle.assertOpen()
    const now = clock.now()
    const lived = this.#leases.get(node, now) !== undefined
    this.#leases.add(node, { until: now + ttl }, now)
    return lived
  }

  async orphans (limit: number): Promise<readonly Orphan[]> {
    const { lifecycle, clock } = this.#parts
    lifecycle.assertOpen()
    const found: Orphan[] = []
    for (const [node, members] of this.#held) {
      if (this.#leases.get(node, clock.now()) !== undefined) continue
      for (const [member, channel] of members) {
        if (found.length >= limit) return found
        found.push({ channel, member })
      }
    }
    return found
  }

  async held (node: string, { after, limit }: { after: string | null, limit: number }): Promise<HeldPage> {
    this.#parts.lifecycle.assertOpen()
    const end = Number(after ?? 0) + limit
    const held = [...this.#held.get(node) ?? []]
    return { members: held.slice(end - limit, end).map(([member, channel]) => ({ channel, member })), next: end < held.length ? String(end) : null }
  }

  /** Drops what has had its time; yields after each item. */
  * sweep (now: () => number): Generator<void, void> {
    yield * this.#leases.sweep(now)
    yield * this.#seen.sweep(now)
  }

  clear (): void {
    this.#leases.clear()
    this.#held.clear()
    this.#seen.clear()
  }

  #append (channel: string, body: Uint8Array, retention: Retention, undo = () => {}): () => void {
    try {
      return this.#parts.log.appendWithin(presenceLogOf(channel), [{ body, qos: 1 }], retention).announce
    } catch (error) {
      undo()
      throw error
    }
  }

  #hold (channel: string, member: StoredMember): void {
    const held = this.#held.get(member.node)
    if (held === undefined) this.#held.set(member.node, new Map([[member, channel]]))
    else held.set(member, channel)
  }

  #unhold (member: StoredMember | undefined): void {
    const held = member && this.#held.get(member.node)
    if (member === undefined || held === undefined) return
    held.delete(member)
    if (held.size === 0) this.#held.delete(member.node)
  }
}

const sizeOf = ({ body }: StoredMember): number => MEMBER_BYTES + body.byteLength
