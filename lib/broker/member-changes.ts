import type { ClientInfo } from '../../types/options.js'
import type { PresenceChange } from '../../types/hooks.js'
import type { Member, PresenceCause } from '../../types/presence.js'
import type { EnterChange, Entered, MemberFence, PresenceStore, StoredMember } from '../../types/presence-store.js'
import type { Retention } from '../../types/retention.js'
import type { Clock } from '../core/clock.js'
import { USER } from './own-channels.js'
import { encodeEvent } from './presence-bodies.js'

/** How long it is remembered that a member left: whoever timed out is `back` within that, and what comes late is fenced. Milliseconds. */
const REMEMBER = 300_000

/** Whose the members are: a session, as the presence of its client. */
export interface Presentee {
  /** The member's name in every channel. */
  readonly memberId: string
  readonly generation: number
  readonly client: ClientInfo
}

/** Who enters as which member. */
interface Entering {
  readonly who: Presentee
  readonly number: number
  readonly member: Member
  readonly body: Uint8Array
}

export interface ChangesContext {
  readonly store: PresenceStore
  readonly clock: Clock
  /** What presence logs keep. */
  readonly retention: Retention
  /** How long it is known when a user was last seen, in milliseconds. */
  readonly seen: number
  readonly onError: (error: unknown) => void
  /** Told of every change that this node made. */
  readonly onPresence?: ((event: Omit<PresenceChange, 'params'>) => void) | undefined
}

/** What a node asks of the presence store, each with its events. */
export class MemberChanges {
  /** The node, as the store knows it. */
  readonly node: string
  readonly #context: ChangesContext
  /** Counts what is asked up: of two the later holds, in whichever order the store hears of them. */
  #number = 0

  constructor (node: string, context: ChangesContext) {
    this.node = node
    this.#context = context
  }

  /** The number of the next one: later than all that this node has asked for. */
  next (): number {
    return ++this.#number
  }

  /** Rejects with the storage's error. */
  async enter (channel: string, { who, number, member, body }: Entering): Promise<Entered['change']> {
    const { store, clock, retention } = this.#context
    const events = new EnterEvents(clock, member)
    const stored: StoredMember = { key: who.memberId, generation: who.generation, number, node: this.node, user: who.client.userId ?? null, body }
    const { change } = await store.enter(channel, stored, { events, retention, remember: REMEMBER })
    if (change !== 'none' && change !== 'fenced') this.#tell(channel, change, member)
    return change
  }

  /** Resolves with whether it was there. Rejects with the storage's error. */
  leave (channel: string, { memberId, generation }: Presentee, member: Member, cause: 'leave' | 'timeout'): Promise<boolean> {
    return this.letLeave(channel, { key: memberId, generation, number: this.next() }, member, cause)
  }

  /** The same for a member of any node. */
  async letLeave (channel: string, fence: MemberFence, member: Member, cause: 'leave' | 'timeout'): Promise<boolean> {
    const { store, clock, retention, seen } = this.#context
    const event = encodeEvent(clock, cause, member)
    const { left } = await store.leave(channel, fence, { cause, event, seen: channel.startsWith(USER) ? seen : 0, retention, remember: REMEMBER })
    if (left) this.#tell(channel, cause, member)
    return left
  }

  #tell (channel: string, cause: PresenceCause, member: Member): void {
    try {
      this.#context.onPresence?.({ channel, cause, member })
    } catch (error) {
      this.#context.onError(error)
    }
  }
}

/** The event of each change that an entering may turn out to be, encoded when the storage asks for it: a client that came back in time is no change. */
class EnterEvents implements Readonly<EnterChange['events']> {
  readonly #clock: Clock
  readonly #member: Member

  constructor (clock: Clock, member: Member) {
    this.#clock = clock
    this.#member = member
  }

  get join (): Uint8Array {
    return encodeEvent(this.#clock, 'join', this.#member)
  }

  get back (): Uint8Array {
    return encodeEvent(this.#clock, 'back', this.#member)
  }

  get update (): Uint8Array {
    return encodeEvent(this.#clock, 'update', this.#member)
  }
}
