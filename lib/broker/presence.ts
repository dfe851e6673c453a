import { Deadlines } from '../core/deadlines.js'
import { PushError, toPushError } from '../core/errors.js'
import { AtOnce } from './at-once.js'
import type { Channel, Channels } from './channels.js'
import { Lease } from './lease.js'
import { MemberChanges, type ChangesContext, type Presentee } from './member-changes.js'
import { decodeMember, encodeMember, memberOf } from './presence-bodies.js'
import { randomId } from './random-id.js'
import { Rounds } from './rounds.js'
import { isThere, nameOf, rulesOf, type Stay } from './stay.js'
import { UnderWay } from './under-way.js'

/** Members that are entered anew, or let go, at once. */
const AT_ONCE = 100

/** What a page counts of those that the storage says this node holds, at least: one may be empty. */
const LEAST_PAGE = 100

/** Visits in which all members are entered again once: about five minutes. */
const ROUND = 30

export interface PresenceContext extends ChangesContext {
  readonly channels: Channels
  /** Whether members may outlive their node, so that others have to let them leave. */
  readonly sweeps: boolean
  /** Whether the storage may lose members while the lease of their node goes on, as one that is spread over several machines may. */
  readonly refreshes: boolean
}

/** Who is in which channel by way of this node. */
export class Presence {
  readonly #context: PresenceContext
  readonly #changes: MemberChanges
  readonly #lease: Lease
  /** By channel and member: who holds it on this node. */
  readonly #stays = new Map<string, Stay>()
  /** Those whose connections were lost. */
  readonly #graces: Deadlines<Stay>
  /** Whose leaving the storage did not take. It is tried again. */
  readonly #leaving = new Map<Stay, 'leave' | 'timeout'>()
  /** Whose entering it did not take, where nobody else tries again. */
  readonly #entering = new Set<Stay>()
  /** What is being entered, by channel and member. */
  readonly #underWay = new UnderWay()
  readonly #atOnce = new AtOnce(AT_ONCE)
  readonly #rounds = new Rounds(this.#stays, ROUND)
  /** After which of those that the storage says this node holds it goes on. */
  #heldAfter: string | null = null

  constructor (context: PresenceContext) {
    const { store, clock, onError, sweeps } = context
    this.#context = context
    this.#changes = new MemberChanges(randomId(), context)
    this.#graces = new Deadlines(clock, (stay) => this.#end(stay, 'timeout'))
    this.#lease = new Lease({
      store,
      clock,
      node: this.#changes.node,
      sweeps,
      onError,
      isNeeded: () => this.#stays.size + this.#leaving.size + this.#entering.size + this.#underWay.size > 0,
      lapsed: () => this.#enterAnew(),
      visit: () => this.#visit(),
      orphan: ({ channel, member }) => this.#changes.letLeave(channel, member, decodeMember(member), 'timeout')
    })
  }

  /** Members that this node holds, or has still to let go. */
  get size (): number {
    return this.#stays.size + this.#leaving.size
  }

  /** Whether the member is one by way of this node, or about to be. */
  holds (channel: Channel, who: Presentee): boolean {
    const name = nameOf({ channel, who })
    return this.#stays.has(name) || this.#underWay.has(name)
  }

  /** The storage is open. */
  open (): void {
    this.#lease.open()
  }

  /** A channel with members was declared: from now on this node looks after those of nodes that are gone. */
  declared (): void {
    this.#lease.use()
  }

  /** Ends the timers. Who is a member stays one: its client goes on elsewhere, or its lease runs out. */
  close (): void {
    this.#lease.close()
    this.#graces.clear()
  }

  /** Prepares an entering. Throws `PUSH_NO_PRESENCE`, `PUSH_INVALID`, or `PUSH_TOO_LARGE` for more data than the channel's members may have. */
  stay (channel: Channel, who: Presentee, data: unknown): Stay {
    const member = memberOf(who.memberId, who.client, data, rulesOf(channel).data)
    return { channel, who, member, body: encodeMember(member), number: 0, phase: 'entering', ended: null, grace: null }
  }

  /**
   * Enters. Rejects with the storage's error, or `PUSH_SUPERSEDED` if a later connection holds the member. Where the outcome is unknown
   * it counts as having entered.
   */
  enter (stay: Stay): Promise<void> {
    return this.#underWay.add(nameOf(stay), this.#enter(stay))
  }

  async #enter (stay: Stay): Promise<void> {
    const { channel } = stay
    try {
      await this.#lease.hold(rulesOf(channel).grace)
      stay.number = this.#changes.next()
      if (await this.#changes.enter(channel.name, stay) === 'fenced') {
        this.#forget(stay)
        throw new PushError('PUSH_SUPERSEDED')
      }
      this.#take(stay)
    } catch (error) {
      if (toPushError(error, 'PUSH_INTERNAL').code === 'PUSH_STORAGE_UNKNOWN') this.#take(stay)
      else stay.phase = this.#stays.get(nameOf(stay)) === stay ? 'in' : 'out'
      throw error
    } finally {
      this.#settle(stay)
    }
  }

  /** Enters a user's client by itself: what fails is tried again now and then, unless a later connection holds the member. Returns `null` where nobody is to know of users. */
  enterUser (who: Presentee): Stay | null {
    const { userId } = who.client
    const channel = userId === undefined ? null : this.#context.channels.userOrNull(userId)
    if (channel === null) return null
    const stay = this.stay(channel, who, undefined)
    this.#enterUser(stay)
    return stay
  }

  /** Leaves at once, whichever of the session's connections has entered. Rejects with the storage's error. */
  async leave (channel: Channel, who: Presentee): Promise<void> {
    const stay = this.#stays.get(nameOf({ channel, who }))
    const member = stay?.member ?? memberOf(who.memberId, who.client, undefined, 0)
    if (stay !== undefined) this.#forget(stay) // from now on it is neither entered anew nor has it a grace
    try {
      await this.#changes.leave(channel.name, who, member, 'leave')
    } catch (error) {
      if (stay !== undefined) this.#keep(stay)
      throw error
    }
  }

  /** The connection of a stay has ended: in order, and it leaves; or not, and it has its grace to come back. */
  ended (stay: Stay, inOrder: boolean): void {
    stay.ended = inOrder ? 'leave' : 'timeout'
    this.#settle(stay)
  }

  // Finds out what becomes of a stay whose connection has ended. Where it was refused, its forerunner on the same connection still holds.
  #settle (stay: Stay): void {
    if (stay.ended === null || stay.phase === 'entering') return
    this.#entering.delete(stay)
    const holding = this.#stays.get(nameOf(stay))
    if (holding === undefined || holding.who !== stay.who) return
    holding.ended = stay.ended
    if (holding.ended === 'leave') this.#end(holding, 'leave')
    else this.#wait(holding)
  }

  #take (stay: Stay): void {
    const before = this.#stays.get(nameOf(stay))
    if (before !== undefined && before !== stay) this.#forget(before)
    this.#stays.set(nameOf(stay), stay)
    stay.phase = 'in'
  }

  #forget (stay: Stay): void {
    stay.phase = 'out'
    this.#endGrace(stay)
    if (this.#stays.get(nameOf(stay)) === stay) this.#stays.delete(nameOf(stay))
  }

  #wait (stay: Stay): void {
    this.#endGrace(stay)
    stay.grace = this.#graces.add(this.#context.clock.now() + rulesOf(stay.channel).grace, stay)
  }

  #endGrace (stay: Stay): void {
    if (stay.grace !== null) this.#graces.delete(stay.grace)
    stay.grace = null
  }

  // It could not leave: unless another has taken its place meanwhile, all is as before.
  #keep (stay: Stay): void {
    if (this.#stays.has(nameOf(stay))) return
    this.#take(stay)
    this.#settle(stay)
  }

  // Never rejects.
  #enterUser (stay: Stay, onError = this.#context.onError): Promise<void> {
    return this.enter(stay).catch((error: unknown) => {
      if (toPushError(error, 'PUSH_INTERNAL').code === 'PUSH_SUPERSEDED') return
      onError(error)
      if (stay.ended === null) this.#entering.add(stay)
    })
  }

  // Never rejects.
  async #end (stay: Stay, cause: 'leave' | 'timeout'): Promise<void> {
    const { channel, who, member } = stay
    this.#forget(stay)
    await this.#changes.leave(channel.name, who, member, cause).catch((error: unknown) => {
      this.#leaving.set(stay, cause)
      this.#context.onError(error)
    })
  }

  // The lease had run out, and others may have let go of what this node holds.
  #enterAnew (): Promise<void> {
    return this.#atOnce.each(new Set([...this.#stays.keys(), ...this.#underWay.names]), async (name) => {
      // What is on its way would be overtaken by the one whose place it takes.
      await this.#underWay.settled(name)
      const stay = this.#stays.get(name)
      if (stay === undefined || !isThere(stay)) return
      stay.number = this.#changes.next()
      await this.#changes.enter(stay.channel.name, stay)
    })
  }

  async #visit (): Promise<void> {
    await this.#tryAgain()
    // Whom it fails for has another turn, and the next ones do not wait for that.
    if (!this.#context.refreshes) return
    await this.#refresh().catch(this.#context.onError)
    await this.#letStrayGo().catch(this.#context.onError)
  }

  // Whom the storage lost is back with that, and nobody hears of the others. Under the same number as before: whatever was asked for since is later.
  #refresh (): Promise<void> {
    return this.#atOnce.each(this.#rounds.next(), async (stay) => {
      if (isThere(stay) && !this.#underWay.has(nameOf(stay))) await this.#changes.enter(stay.channel.name, stay)
    })
  }

  // Whose leaving the storage lost is a member of this node, which knows nothing of it. Whoever enters meanwhile is later than what was read.
  async #letStrayGo (): Promise<void> {
    const { store } = this.#context
    for (let left = Math.ceil(this.#stays.size / ROUND); left >= 0;) {
      const { members, next } = await store.held(this.#changes.node, { after: this.#heldAfter, limit: AT_ONCE })
      this.#heldAfter = next
      left -= Math.max(members.length, LEAST_PAGE)
      const leaving = new Set([...this.#leaving.keys()].map(nameOf))
      await this.#atOnce.each(members, async ({ channel, member }) => {
        const name = `${channel}\n${member.key}`
        if (this.#stays.has(name) || this.#underWay.has(name) || leaving.has(name)) return
        await this.#changes.letLeave(channel, member, decodeMember(member), 'timeout')
      })
      if (next === null) return
    }
  }

  async #tryAgain (): Promise<void> {
    await this.#atOnce.each([...this.#leaving], async ([stay, cause]) => {
      this.#leaving.delete(stay)
      await this.#end(stay, cause)
    })
    await this.#atOnce.each([...this.#entering], async (stay) => {
      if (!this.#entering.delete(stay)) return // its connection has ended meanwhile
      stay.phase = 'entering'
      await this.#enterUser(stay, () => {}) // what keeps it out is known
    })
  }
}
