import type { Position, QoS } from '../../types/message.js'
import type { Broker } from '../broker/broker.js'
import type { Channel } from '../broker/channels.js'
import type { Started } from '../broker/subscribing.js'
import type { Subscription } from '../broker/subscription.js'
import { UserLease, type Term } from '../broker/user-lease.js'
import { USER_CURSOR, userCommit } from '../broker/user-cursor.js'
import { ANY_INBOX } from '../core/channel-name.js'
import { PushError, toPushError } from '../core/errors.js'
import { sessionOf, type ConnectionContext } from './context.js'
import { begin, start } from './handlers/subscribe.js'
import type { Beating } from './heartbeat.js'
import { LeasedOutlet } from './leased-outlet.js'
import { revoke } from './revoke.js'

export interface ReadingLineContext {
  readonly broker: Broker
  readonly channel: Channel
  /** The session that the lease is. */
  readonly key: string
  /** Milliseconds that the lease runs unless it is kept: more than two visits of the heartbeat. */
  readonly ttl: number
  /** The lease was given back: the other nodes may take it. */
  readonly onFree: () => Promise<void>
  /** There is nothing to do for it any more. */
  readonly onIdle: () => void
}

/** Somebody in the line. */
interface Place {
  readonly qos: QoS
  /** Whether its hello has been answered: it cannot be subscribed before. */
  isWelcomed: boolean
}

/** Whose turn it is. */
interface Reader {
  readonly connection: ConnectionContext
  readonly qos: QoS
}

const held = (): PushError => new PushError('PUSH_HELD')
const isHeld = (error: unknown): boolean => error instanceof PushError && error.code === 'PUSH_HELD'

/**
 * The connections of one user on one node that want what any one of the user's clients is to handle: one reads, if this node has the lease, and the
 * others stand in line. Whatever moves it, one step is done after the other.
 */
export class ReadingLine implements Beating {
  readonly #context: ReadingLineContext
  readonly #channel: Channel
  readonly #lease: UserLease
  /** In order. Who reads is not among them. */
  readonly #waiting = new Map<ConnectionContext, Place>()
  #reader: Reader | null = null
  /** Whom the lease is being given to. */
  #next: ConnectionContext | null = null
  /** The session that read last: where it is back already, it goes on. */
  #last: string | null = null
  /** What is under way, and whether to look again after it. */
  #step: Promise<unknown> | null = null
  #again = false

  constructor (context: ReadingLineContext) {
    const { broker: { storage: { sessions }, clock }, channel, key, ttl } = context
    this.#context = context
    this.#channel = channel
    this.#lease = new UserLease({ sessions, clock, key, ttl, onLost: () => this.#stop() })
  }

  /** Whether there is nothing to do for it. */
  get isIdle (): boolean {
    return this.#waiting.size === 0 && this.#reader === null && this.#step === null && this.#lease.term === null
  }

  /** Resolves when nothing is under way. Never rejects. */
  async settled (): Promise<void> {
    while (this.#step !== null) await this.#step.catch(() => {})
  }

  /**
   * Subscribes a connection if it is its turn. Otherwise it stands in line from now on and is subscribed later, and this rejects with `PUSH_HELD`. Rejects
   * as `start` does, and then it does not stand in line.
   */
  async attach (connection: ConnectionContext, qos: QoS): Promise<Started> {
    if (qos === 0) throw new PushError('PUSH_INVALID', 'what any one client is to handle has QoS 1 or 2')
    if (this.#reader?.connection === connection || this.#next === connection) return this.#start(connection, qos)
    this.#stand(connection, qos)
    if (this.#step !== null) this.#again = true
    if (this.#step !== null || this.#reader !== null || this.#waiting.size > 1) throw held()
    return this.#run(async () => {
      try {
        if (!await this.#lease.take()) throw held()
        return await this.#start(connection, qos)
      } catch (error) {
        if (!isHeld(error)) this.#waiting.delete(connection)
        throw error
      }
    })
  }

  /** A connection wants it no more, or has ended. */
  leave (connection: ConnectionContext): void {
    this.#waiting.delete(connection)
    if (this.#reader?.connection !== connection) return
    this.#last = sessionOf(connection).key
    this.#reader = null
    this.look()
  }

  /** The lease may be free. */
  look (): void {
    if (this.#step !== null) this.#again = true
    else if (this.#reader === null) this.#run(() => this.#pass()).catch(this.#context.broker.onError)
  }

  /** Somebody has taken the lease, perhaps this node. */
  hear (generation: number): void {
    this.#lease.hear(generation)
  }

  /** Visited by the heartbeat: keeps the lease, or asks for it, in case nobody told that it is free. */
  beat (): void {
    if (this.isIdle) return this.#context.onIdle()
    this.#lease.keep().then(() => { if (this.#lease.term === null) this.look() }).catch(this.#context.broker.onError)
  }

  #stand (connection: ConnectionContext, qos: QoS): void {
    if (connection.ended) return
    const place: Place = { qos, isWelcomed: false }
    this.#waiting.set(connection, place) // who stands there already keeps its place
    let isLater = false
    connection.whenWelcomed(() => {
      place.isWelcomed = true
      if (isLater) this.look()
    })
    isLater = true
  }

  // One step at a time.
  async #run<Value> (step: () => Promise<Value>): Promise<Value> {
    this.#again = false
    const running = this.#step = step()
    try {
      return await running
    } finally {
      this.#step = null
      if (this.#again || (this.#lease.term !== null && this.#reader === null)) this.look()
    }
  }

  // To the next one in line, or back.
  async #pass (): Promise<void> {
    while (this.#reader === null) {
      const next = this.#first()
      if (next === undefined) return this.#giveBack()
      if (!await this.#lease.take().catch(() => false)) return // nobody waits for an answer, and the heartbeat asks again
      await this.#give(next)
    }
  }

  /** Who comes next: a client that only has a new connection, or else who has waited longest. */
  #first (): ConnectionContext | undefined {
    let first: ConnectionContext | undefined
    for (const [connection, { isWelcomed }] of this.#waiting) {
      if (!isWelcomed) continue
      if (sessionOf(connection).key === this.#last) return connection
      first ??= connection
    }
    return first
  }

  // Whatever an earlier reader has acknowledged counts for the next one, here or on another node.
  #written (): Promise<void> {
    return this.#context.broker.cursors.written(this.#channel.name, USER_CURSOR)
  }

  async #giveBack (): Promise<void> {
    if (this.#lease.term === null) return
    await this.#written()
    if (await this.#lease.giveBack()) await this.#context.onFree()
  }

  // In turn with what the client itself asks for. [P-6.6]
  async #give (connection: ConnectionContext): Promise<void> {
    await connection.turns.run(ANY_INBOX, async () => {
      const place = this.#waiting.get(connection)
      if (place === undefined) return // not any more
      this.#next = connection
      try {
        const { subscription, verdict } = await begin(connection, { channel: ANY_INBOX, qos: place.qos })
        connection.send({ type: 'subscribed', ...verdict })
        subscription.start()
      } catch (error) {
        if (isHeld(error)) return
        this.#waiting.delete(connection)
        connection.send({ type: 'unsubscribed', channel: ANY_INBOX, code: toPushError(error, 'PUSH_INTERNAL').code })
      } finally {
        this.#next = null
      }
    })
  }

  async #start (connection: ConnectionContext, qos: QoS): Promise<Started> {
    const { term } = this.#lease
    try {
      if (term === null) throw held()
      await this.#written()
      const outlet = new LeasedOutlet(connection.outgoing, this.#lease, term)
      const started = await start(connection, { channel: this.#channel, session: USER_CURSOR, qos, outlet })
      if (this.#lease.term !== term) {
        connection.leave(ANY_INBOX, null)
        throw held()
      }
      this.#waiting.delete(connection)
      this.#reader = { connection, qos }
      this.#follow(connection, started.subscription, term)
      return started
    } catch (error) {
      if (isHeld(error)) this.#stand(connection, qos)
      throw error
    }
  }

  // Where it stands is written at once, so that from now on whoever read before is fenced.
  #follow (connection: ConnectionContext, subscription: Subscription, term: Term): void {
    subscription.onAcknowledged = (position) => this.#commit(connection, subscription.qos, position, term)
    const { acknowledged } = subscription
    if (acknowledged !== null) this.#commit(connection, 1, acknowledged, term)
  }

  #commit (connection: ConnectionContext, qos: QoS, position: Position, term: Term): void {
    const { cursors, clock, settings } = this.#context.broker
    const commit = { ...userCommit(position, clock, settings.inbox.ttl), generation: term.generation, number: ++term.commits }
    cursors.write(this.#channel.name, commit, (outcome) => {
      if (outcome === 'fenced') return this.#lease.lose(term)
      this.#context.broker.acknowledged(this.#channel.name, position)
      if (qos === 2) sessionOf(connection).confirm(ANY_INBOX, position)
    })
  }

  // The lease is lost: whoever read stands in line again. [P-6.6]
  #stop (): void {
    const reader = this.#reader
    if (reader === null) return
    this.#reader = null
    const { connection, qos } = reader
    connection.whenWelcomed(() => {
      revoke(connection, this.#channel, 'PUSH_HELD')
      this.#stand(connection, qos)
    })
  }
}
