import type { Entered, MemberFence, StoredMember } from '../../../types/presence-store.js'
import { shown } from './kit.js'

interface Departure {
  readonly fence: MemberFence
  readonly cause: 'leave' | 'timeout'
  readonly until: number
}

/** What one channel's presence must do, written for plainness: every question is answered by going through everything. */
export class ReferenceMembers {
  /** What the presence log says, from its beginning. */
  readonly events: string[] = []
  readonly #members = new Map<string, StoredMember>()
  readonly #departed = new Map<string, Departure>()
  #seenUntil = -Infinity

  /** Those who are in it, in the order of their keys. */
  get members (): StoredMember[] {
    return [...this.#members.values()].sort((one, other) => one.key < other.key ? -1 : 1)
  }

  get users (): number {
    return new Set(this.members.flatMap(({ user }) => user ?? [])).size
  }

  enter (member: StoredMember, now: number): Entered['change'] {
    const held = this.#members.get(member.key)
    const departed = this.#departure(member.key, now)
    if (held !== undefined ? isLater(held, member) : departed !== undefined && !isLater(member, departed.fence)) return 'fenced'
    this.#members.set(member.key, member)
    this.#departed.delete(member.key)
    this.#seenUntil = -Infinity
    if (held !== undefined && shown(held.body) === shown(member.body)) return 'none'
    const change = held !== undefined ? 'update' : departed?.cause === 'timeout' ? 'back' : 'join'
    this.events.push(eventOf(change, member))
    return change
  }

  leave (fence: MemberFence, cause: 'leave' | 'timeout', { remember, seen }: { readonly remember: number, readonly seen: number }, now: number): boolean {
    const held = this.#members.get(fence.key)
    if (held !== undefined && isLater(held, fence)) return false
    const departed = this.#departure(fence.key, now)
    if (departed === undefined || !isLater(departed.fence, fence)) {
      this.#departed.set(fence.key, { fence, cause: held === undefined ? departed?.cause ?? 'leave' : cause, until: now + remember })
    }
    if (held === undefined) return false
    this.#members.delete(fence.key)
    this.events.push(eventOf(cause, fence))
    if (this.#members.size === 0) this.#seenUntil = now + seen
    return true
  }

  /** Whether it is known when the last one left. */
  isSeen (now: number): boolean {
    return this.#members.size === 0 && this.#seenUntil > now
  }

  #departure (key: string, now: number): Departure | undefined {
    const departed = this.#departed.get(key)
    return departed !== undefined && departed.until > now ? departed : undefined
  }
}

/** The event of a change, by which a list can be made again: the change, the key and, where it is there, the body. */
export function eventOf (change: string, member: MemberFence & { readonly body?: Uint8Array }): string {
  return [change, member.key, ...member.body && change !== 'leave' && change !== 'timeout' ? [shown(member.body)] : []].join(' ')
}

/** Who is there after such events, each as key and body, in the order of the keys. */
export function replayed (events: ReadonlyArray<string | null>): string[] {
  const members = new Map<string, string>()
  for (const event of events) {
    const [change, key, body] = (event as string).split(' ') as [string, string, string]
    if (change === 'leave' || change === 'timeout') members.delete(key)
    else members.set(key, `${key} ${body}`)
  }
  return [...members].sort(([one], [other]) => one < other ? -1 : 1).map(([, text]) => text)
}

function isLater (one: MemberFence, other: MemberFence): boolean {
  return one.generation === other.generation ? one.number > other.number : one.generation > other.generation
}
