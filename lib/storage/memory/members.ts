import type { Entered, MemberFence, StoredMember } from '../../../types/presence-store.js'
import { ExpiringMap, type Expiring } from './expiring-map.js'
import { placeOf } from './smallest.js'

/** Members that have left and are remembered, of one channel. Beyond it the one that left longest ago is forgotten. */
const DEPARTED = 10_000

/** That a member has left: who let it leave, and how. */
interface Departure extends Expiring {
  readonly fence: MemberFence
  readonly cause: 'leave' | 'timeout'
}

/** The members of one channel, by key and in the order of their keys. Synchronous, so each call is atomic. */
export class Members {
  readonly #members = new Map<string, StoredMember>()
  readonly #keys: string[] = []
  /** How many members each user has. */
  readonly #users = new Map<string, number>()
  readonly #departed = new ExpiringMap<Departure>(DEPARTED)

  get size (): number {
    return this.#members.size
  }

  get users (): number {
    return this.#users.size
  }

  get isEmpty (): boolean {
    return this.#members.size + this.#departed.size === 0
  }

  get (key: string): StoredMember | undefined {
    return this.#members.get(key)
  }

  /** Which change it would be to enter a member now. */
  changeOf (member: StoredMember, now: number): Entered['change'] {
    const { key } = member
    const held = this.#members.get(key)
    if (held !== undefined) {
      if (isLater(held, member)) return 'fenced'
      return sameBytes(held.body, member.body) ? 'none' : 'update'
    }
    const departed = this.#departed.get(key, now)
    if (departed === undefined) return 'join'
    if (!isLater(member, departed.fence)) return 'fenced'
    return departed.cause === 'timeout' ? 'back' : 'join'
  }

  /** Puts a member in place of the one with its key. */
  put (member: StoredMember): void {
    const { key, user } = member
    const before = this.#members.get(key)
    this.#members.set(key, member)
    if (before === undefined) this.#keys.splice(placeOf(this.#keys, key), 0, key)
    else this.#uncount(before)
    if (user !== null) this.#users.set(user, (this.#users.get(user) ?? 0) + 1)
    this.#departed.delete(key)
  }

  /** Takes a member out. */
  take (key: string): void {
    const member = this.#members.get(key)
    if (member === undefined) return
    this.#members.delete(key)
    this.#keys.splice(placeOf(this.#keys, key), 1)
    this.#uncount(member)
  }

  #uncount ({ user }: StoredMember): void {
    if (user === null) return
    const left = (this.#users.get(user) ?? 0) - 1
    if (left > 0) this.#users.set(user, left)
    else this.#users.delete(user)
  }

  /** Remembers until `until` that what is up to `fence` has left; `cause` is `null` where it was not there. */
  depart (fence: MemberFence, cause: Departure['cause'] | null, until: number, now: number): void {
    const known = this.#departed.get(fence.key, now)
    if (known !== undefined && isLater(known.fence, fence)) return
    this.#departed.add(fence.key, { fence, cause: cause ?? known?.cause ?? 'leave', until }, now)
  }

  /** The page after a key, and what to pass for the next one. */
  page (after: string | null, limit: number, most: number): { members: StoredMember[], next: string | null } {
    const members: StoredMember[] = []
    let at = after === null ? 0 : placeOf(this.#keys, after)
    if (after !== null && this.#keys[at] === after) at++
    let bytes = 0
    for (; at < this.#keys.length && members.length < limit; at++) {
      const member = this.#members.get(this.#keys[at] as string) as StoredMember
      bytes += member.body.byteLength
      if (bytes > most && members.length > 0) break
      members.push(member)
    }
    return { members, next: at < this.#keys.length ? members.at(-1)?.key ?? null : null }
  }

  /** Forgets departures that have had their time; yields after each. */
  sweep (now: () => number): Generator<void, void> {
    return this.#departed.sweep(now)
  }
}

/** Whether one comes after the other. */
export function isLater (one: MemberFence, other: MemberFence): boolean {
  return one.generation > other.generation || (one.generation === other.generation && one.number > other.number)
}

function sameBytes (one: Uint8Array, other: Uint8Array): boolean {
  return one.byteLength === other.byteLength && one.every((byte, i) => byte === other[i])
}
