import { hash } from 'node:crypto'
import type { ClientInfo, Identity } from '../../types/options.js'
import type { Position, Publisher } from '../../types/message.js'
import type { Broker } from '../broker/broker.js'
import { clientOf, sessionKeyOf } from '../broker/session-key.js'
import type { Subscription } from '../broker/subscription.js'
import { ANY_INBOX, INBOX } from '../core/channel-name.js'
import { PushError } from '../core/errors.js'
import type { Code } from '../protocol/codes.js'
import type { HelloFrame, ServerFrame } from '../protocol/frames.js'

/** The connection that owns a session, as the session sees it. */
interface Owner {
  send (frame: ServerFrame): void
  end (code: Code): void
}

/** Whether the session has a cursor there: where one client reads for all of its user's, the cursor is the user's. */
const hasCursor = ({ qos, wire }: Subscription): boolean => qos > 0 && wire !== ANY_INBOX

/** What a connection needs of the session it belongs to: its name, its generation, and the writing of its cursors. */
export class Session {
  /** Its key in the storage. */
  readonly key: string
  /** The client, as hooks and other clients see it. */
  client: ClientInfo
  /** The client, as its messages name it. */
  readonly publisher: Publisher
  /** How long it outlives its connection, in milliseconds. */
  readonly ttl: number
  /** Later than every generation before it; 0 until this connection owns the session. */
  generation = 0
  readonly #broker: Broker
  #memberId: string | null = null
  /** Counts the commits of this connection. */
  #number = 0
  #touchedAt: number
  #owner: Owner | null = null
  /** The generation it had when it was looked for. */
  #found = 0
  /** The latest generation heard of. */
  #heard = 0
  #confirmed: Map<string, Position> | null = null
  /** Channels whose cursors are to be forgotten once it owns the session. */
  #unwanted: Set<string> | null = null

  constructor (broker: Broker, hello: HelloFrame, identity: Identity | null) {
    this.#broker = broker
    this.#touchedAt = broker.clock.now()
    const { ttl, namedTtl } = broker.settings.session
    this.ttl = hello.clientId === undefined ? ttl : namedTtl
    this.key = sessionKeyOf(identity?.userId, hello)
    this.publisher = clientOf(this.key)
    this.client = identity === null ? this.publisher : { ...this.publisher, claims: identity.claims }
  }

  /** The same user again, with what its newest token says. */
  renew ({ claims }: Identity): void {
    this.client = { ...this.client, claims }
  }

  /** The client's name among the members of a channel: nobody else has it, and the key cannot be told from it. */
  get memberId (): string {
    this.#memberId ??= hash('sha256', this.key, 'base64url').slice(0, 16)
    return this.#memberId
  }

  /** Whether the storage knows it. */
  async find (): Promise<boolean> {
    const found = await this.#broker.storage.sessions.find(this.key)
    this.#found = found?.generation ?? 0
    return found !== null
  }

  /**
   * Takes it over from whichever connection had it when it was found, on behalf of `owner`, which is ended when another takes it over in turn. Rejects with
   * `PUSH_UNAVAILABLE` if another one has done so since: that one may be newer, and a claim that reaches the storage late must not take it from the client itself.
   */
  async claim (owner: Owner): Promise<void> {
    const taken = await this.#broker.storage.sessions.acquire(this.key, this.#life, this.#found)
    if (taken === null) throw new PushError('PUSH_UNAVAILABLE', 'another connection took the session over meanwhile')
    this.generation = taken.generation
    this.#owner = owner
    const unwanted = [...this.#unwanted ?? []]
    this.#unwanted = null
    await Promise.all(unwanted.map((channel) => this.forget(channel)))
    this.#look()
  }

  /** Another connection took the session over, perhaps while this one was doing so: what is heard first need not be what came first. */
  hear (generation: number): void {
    this.#heard = Math.max(this.#heard, generation)
    this.#look()
  }

  #look (): void {
    if (this.generation > 0 && this.#heard > this.generation) this.#owner?.end('PUSH_SUPERSEDED')
  }

  // A session is touched every half of its time, so that it lives for the whole of it even if this node dies without a word.
  get #life (): number {
    return this.ttl * 1.5 + this.#broker.settings.heartbeat.interval
  }

  /** Keeps it and its cursors alive while it is connected. Called now and then. */
  keep (subscriptions: Iterable<Subscription>): void {
    if (this.generation === 0 || this.#broker.clock.now() - this.#touchedAt < this.ttl / 2) return
    this.#touch().catch(() => {}) // the next one may succeed; without any, the session ends with its time
    for (const subscription of subscriptions) this.#prolong(subscription)
  }

  async #touch (): Promise<void> {
    this.#touchedAt = this.#broker.clock.now()
    if (!await this.#broker.storage.sessions.touch(this.key, this.generation, this.#life)) await this.verify()
  }

  /**
   * It may have been taken over without a hint; or lost, and then it is made what it was: an earlier connection of the client that does not know of its end may do the same, and must not
   * send this one away by it. Rejects with the storage's error.
   */
  async verify (): Promise<void> {
    if (this.generation === 0 || this.#owner === null) return
    const { sessions } = this.#broker.storage
    const found = await sessions.find(this.key)
    if (this.#owner === null) return // ended meanwhile
    if (found !== null) this.hear(found.generation)
    if ((found?.generation ?? 0) < this.generation) await sessions.restore(this.key, this.generation, this.#life)
  }

  /** The connection ends: the session and its cursors live on from now. */
  release (subscriptions: Iterable<Subscription>): void {
    this.#owner = null
    if (this.generation === 0) return
    for (const subscription of subscriptions) this.#prolong(subscription)
    this.#touch().catch(() => {})
  }

  /** Writes the acknowledgements of a subscription behind, and where it starts if nobody knew it. */
  follow (subscription: Subscription): void {
    if (!hasCursor(subscription)) return
    subscription.onAcknowledged = (position) => {
      this.#commit(subscription, position)
      if (subscription.wire === INBOX) this.#broker.acknowledgeForUser(subscription.channel, position)
    }
    if (subscription.fresh) this.#prolong(subscription)
  }

  #prolong (subscription: Subscription): void {
    const { acknowledged } = subscription
    if (hasCursor(subscription) && acknowledged !== null) this.#commit(subscription, acknowledged)
  }

  #commit ({ channel, wire, qos }: Subscription, position: Position): void {
    const commit = { session: this.key, generation: this.generation, number: ++this.#number, position, ttl: this.#life }
    this.#broker.cursors.write(channel, commit, (outcome) => {
      if (outcome === 'fenced') this.#owner?.end('PUSH_SUPERSEDED')
      else if (qos === 2) this.confirm(wire, position)
    })
  }

  /** Tells the client that a cursor is stored: one frame for all channels of this tick. [P-4.8] */
  confirm (channel: string, position: Position): void {
    if (this.#confirmed !== null) {
      this.#confirmed.set(channel, position)
      return
    }
    const confirmed = this.#confirmed = new Map([[channel, position]])
    this.#broker.defer(() => {
      this.#confirmed = null
      this.#owner?.send({ type: 'confirmed', positions: [...confirmed].map(([channel, position]) => ({ channel, ...position })) })
    })
  }

  /** Forgets the cursor of a channel, or will do so once it owns the session. Rejects with the storage's error. */
  async forget (channel: string): Promise<void> {
    if (this.generation === 0) {
      (this.#unwanted ??= new Set()).add(channel)
      return
    }
    await this.#broker.cursors.remove(channel, this.key, this.generation)
  }
}
