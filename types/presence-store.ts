import type { Position } from './message.js'
import type { Retention } from './retention.js'

/**
 * Who is in a channel, for several nodes at once. Each change appends its event to the channel's presence log, which is the log of
 * the name `$presence/` and the channel, in the same atomic step, and announces it on that log's feed: so a list that was read and the events after
 * its position agree, and whoever hears of an event finds it in the list. Members and their log are kept together, or lost together: then the log has a new epoch.
 *
 * A member is held by the latest that entered it, by (generation, number): what an earlier one still does comes to nothing. Its node
 * keeps a lease for all the members it holds; whose lease has run out are orphans, which any node may let leave.
 */
export interface PresenceStore {
  /**
   * Enters a member, or holds it anew. Says which change it was, and appends the event of that change:
   * - `join`: it was not there.
   * - `back`: the same, with whatever body, but it had left with `timeout`, and that is still remembered.
   * - `update`: it was there with another body.
   * - `none`: it was there with the same body. It is held anew, and nothing is appended.
   * - `fenced`: a later one holds it, or the same or a later one has let it leave and that is still remembered. Nothing changed.
   *
   * Rejects with `PUSH_STORAGE_FULL` if the member or its event cannot be kept.
   */
  enter (channel: string, member: StoredMember, change: EnterChange): Promise<Entered>
  /**
   * Lets a member leave and appends the event. Nothing is appended where it is not there, or a later one holds it. In any case but the last it is remembered
   * for `change.remember` from now that this one has left, so that an earlier `enter`, come late, is fenced; where it found nobody, how the member had left before is
   * remembered on with it. A later one that has left already is remembered instead of this one.
   *
   * Rejects with `PUSH_STORAGE_FULL` if the event cannot be kept.
   */
  leave (channel: string, fence: MemberFence, change: LeaveChange): Promise<Left>
  /**
   * The members with keys after `after`, which need not be one's there, in the order of their keys (ASCII), at most `limit` of them and, after the first, at most `bytes` of
   * bodies. Paging on with `next` misses nobody who stays. The page holds at `position`: every event
   * up to there is in it, and none after. `limit` 0 reads just the numbers, and need not make a log: where there is none yet, the epoch of `position` may be one that no log will have.
   */
  list (channel: string, query: { readonly after: string | null, readonly limit: number, readonly bytes: number }): Promise<MemberPage>
  /** How many members each of these channels has, in their order. Makes nothing of what is not there. */
  counts (channels: readonly string[]): Promise<readonly number[]>
  /**
   * When the last member of a channel left, in milliseconds since 1970 by the storage's clock; `null` while there are members, if there never were, and once the `seen` of that
   * leaving has run out.
   */
  lastSeen (channel: string): Promise<number | null>
  /** Lets the lease of a node run for `ttl` from now. `false`: it had none, or one that had run out, so what it held may have left: enter it anew. Whatever a node holds it enters anew at least every ten minutes: a shared store may have lost some of it, or forget that it is to be looked for. */
  renew (node: string, ttl: number): Promise<boolean>
  /** Members whose node has no lease, or one that has run out, of every channel, at most `limit` of them, each as it is held. A hint: leaving is fenced, so it does no harm if several nodes let the same ones leave. */
  orphans (limit: number): Promise<readonly Orphan[]>
  /**
   * Members that a node holds, of every channel, about `limit` of them: those after `after`, the `next` of another page. A store that lost a leaving names who has long left, and the node has to
   * find it. A hint: a page may miss some where others come and go meanwhile, or repeat some, or be empty.
   */
  held (node: string, query: { readonly after: string | null, readonly limit: number }): Promise<HeldPage>
}

/** Which of all that held a member, or hold it, is meant. The later one counts: by `generation`, then by `number`. */
export interface MemberFence {
  /** The member's name in the channel. No secret. */
  readonly key: string
  /** Of the session: see `SessionStore.claim`. */
  readonly generation: number
  /** Counts up within the generation. */
  readonly number: number
}

export interface StoredMember extends MemberFence {
  /** The node that holds it. */
  readonly node: string
  /** The user, for counting; `null` for who is anonymous. */
  readonly user: string | null
  /** The member as others see it, encoded. Compared, and never looked into. */
  readonly body: Uint8Array
}

/** What both changes say of the presence log, and of remembering. */
interface Change {
  /** What the presence log keeps from now on. */
  readonly retention: Retention
  /** How long it is remembered that a member left, and how. */
  readonly remember: number
}

export interface EnterChange extends Change {
  /** The encoded event for each change it may turn out to be. Each is to be read once at the most: it may be encoded only then. */
  readonly events: Readonly<Record<'join' | 'back' | 'update', Uint8Array>>
}

export interface LeaveChange extends Change {
  readonly cause: 'leave' | 'timeout'
  /** The encoded event. */
  readonly event: Uint8Array
  /** How long it is known when the last member left, if this was it. 0: not at all. */
  readonly seen: number
}

export interface Entered {
  readonly change: 'join' | 'back' | 'update' | 'none' | 'fenced'
  /** The newest position of the presence log afterwards. */
  readonly position: Position
}

export interface Left {
  /** Whether it was there, and the one that is meant. */
  readonly left: boolean
}

export interface MemberPage {
  readonly members: readonly StoredMember[]
  /** Pass it as `after` for the next page; `null` at the end. With `limit` 0, `null`. */
  readonly next: string | null
  /** Members there are in all. */
  readonly connections: number
  /** Users among them; those who are anonymous do not count. */
  readonly users: number
  /** Of the presence log. */
  readonly position: Position
}

/** Members that a node holds. */
export interface HeldPage {
  readonly members: readonly Orphan[]
  /** Pass it as `after` for the next page; `null` at the end. */
  readonly next: string | null
}

/** A member and where it is: one whose node is gone, if nothing else is said. */
export interface Orphan {
  readonly channel: string
  readonly member: StoredMember
}
