import type { Position } from '../../types/message.js'
import type { Member, PresenceCause } from '../../types/presence.js'
import type { PresenceEventData } from '../protocol/frames.js'

/**
 * Why a client hears of a member: the cause of the event; or `list`, it was learned by reading the list, at first or after a gap, and what
 * led to it is not known.
 */
export type MemberCause = PresenceCause | 'list'

/** A member of a channel, and why a listener hears of it. */
export interface PresentMember<Data = unknown> extends Member<Data> {
  readonly cause: MemberCause
}

/** What has changed: who came, went, or is another now. */
export interface RosterChange {
  readonly event: 'join' | 'leave' | 'update'
  readonly member: Member
  readonly cause: MemberCause
}

/** An event of the presence log. */
export interface LogEvent extends PresenceEventData {
  readonly position: Position
}

/** A reading of the list that is under way. */
interface Reading {
  readonly members: Map<string, Member>
  /** What came meanwhile. */
  readonly events: LogEvent[]
  /** Where the last page holds, once it is there. */
  until: Position | null
}

/**
 * Who is in a channel, made of its list and of the events of its presence log. [P-12.6] Knows no network: it is told what came, and says what has
 * changed. Every event since before the list was read is applied to it, in order, and the differences are told once the events have come as far as
 * the list; so what the list had already is not told again.
 */
export class Roster {
  #members = new Map<string, Member>()
  #reading: Reading | null = null
  #at: Position | null = null
  /** Whether the list was read, and all events since then have been taken. */
  complete = false

  get members (): IterableIterator<Member> {
    return this.#members.values()
  }

  get size (): number {
    return this.#members.size
  }

  get isReading (): boolean {
    return this.#reading !== null
  }

  /** Nothing is known any more. */
  clear (): void {
    this.#members = new Map()
    this.#reading = null
    this.#at = null
    this.complete = false
  }

  /** The list is about to be read, from its first page on. */
  begin (): void {
    this.#reading = { members: new Map(), events: [], until: null }
  }

  /** A page of it. */
  page (members: readonly Member[], isLast: boolean, position: Position): RosterChange[] {
    if (this.#reading === null) return []
    for (const member of members) this.#reading.members.set(member.id, member)
    if (isLast) this.#reading.until = position
    return this.#finish()
  }

  /** The cursor into the presence log stands there. */
  stand (position: Position): RosterChange[] {
    this.#at = position
    return this.#finish()
  }

  /** An event came, next after the one before. */
  take (event: LogEvent): RosterChange[] {
    this.#at = event.position
    if (this.#reading === null) return changed(this.#members, event)
    this.#reading.events.push(event)
    return this.#finish()
  }

  #finish (): RosterChange[] {
    const [reading, at] = [this.#reading, this.#at]
    if (reading === null || reading.until === null || at === null) return []
    // In another epoch a gap is on its way, and the list will be read again.
    if (at.epoch !== reading.until.epoch || at.offset < reading.until.offset) return []
    const causes = new Map<string, PresenceCause>()
    for (const event of reading.events) {
      causes.set(event.member.id, event.cause)
      changed(reading.members, event)
    }
    const before = this.#members
    this.#members = reading.members
    this.#reading = null
    this.complete = true
    return differences(before, reading.members, causes)
  }
}

/** Applies an event, and says what it has changed. */
function changed (members: Map<string, Member>, { cause, member }: PresenceEventData): RosterChange[] {
  const known = members.get(member.id)
  if (cause === 'leave' || cause === 'timeout') {
    if (known === undefined) return []
    members.delete(member.id)
    return [{ event: 'leave', member: known, cause }]
  }
  members.set(member.id, member)
  if (known === undefined) return [{ event: 'join', member, cause }]
  return isSame(known, member) ? [] : [{ event: 'update', member, cause }]
}

function differences (before: ReadonlyMap<string, Member>, after: ReadonlyMap<string, Member>, causes: ReadonlyMap<string, PresenceCause>): RosterChange[] {
  const changes: RosterChange[] = []
  for (const [id, member] of before) {
    if (!after.has(id)) changes.push({ event: 'leave', member, cause: causes.get(id) ?? 'list' })
  }
  for (const [id, member] of after) {
    const known = before.get(id)
    const cause = causes.get(id)
    // A cause is told where it explains the difference.
    if (known === undefined) changes.push({ event: 'join', member, cause: cause === 'join' || cause === 'back' ? cause : 'list' })
    else if (!isSame(known, member)) changes.push({ event: 'update', member, cause: cause === 'update' ? cause : 'list' })
  }
  return changes
}

const isSame = (one: Member, other: Member): boolean => JSON.stringify(one.data) === JSON.stringify(other.data)
