import type { ClientsTarget } from '../../types/push.js'
import type { Broker } from '../broker/broker.js'
import { randomId } from '../broker/random-id.js'
import { PushError } from '../core/errors.js'
import { within } from '../core/hooks.js'
import { Seldom } from '../core/seldom.js'
import type { Code } from '../protocol/codes.js'
import { Admission, type ConnectionLimit, type Entry } from './admission.js'
import { AnyInboxes } from './any-inboxes.js'
import { Buffers } from './buffers.js'
import { Connection } from './connection.js'
import type { ConnectionContext, ConnectionLog, Peer, ServiceContext } from './context.js'
import { Expiry } from './expiry.js'
import { Groups } from './groups.js'
import { Heartbeat } from './heartbeat.js'
import type { Session } from './session.js'

/** Accepts per second that a node is expected to stand: the base of `spread`. */
const ACCEPTS_PER_SECOND = 2000

/** When those may come back for whom there was no room: nobody knows when there will be. Milliseconds. */
export const COME_BACK: [number, number] = [5000, 15_000]

/** Sessions that are verified at once, and milliseconds before those are tried again that could not be. */
const AT_ONCE = 500
const RETRY = 500

/** Milliseconds between two warnings of connections that failed for the same reason. */
const QUIET = 10_000

/** Milliseconds between two warnings of one limit: refusals come in floods. */
const WARN = 60_000

/** All connections of one node. */
export class Service implements ServiceContext {
  readonly broker: Broker
  readonly heartbeat: Heartbeat
  readonly buffers: Buffers
  readonly expiry: Expiry
  readonly grants: Expiry
  readonly readers: AnyInboxes
  /** What this node calls itself when it tells the others something. */
  readonly node = randomId()
  /** New connections refused since the start: there was no room for them. */
  refused = 0
  readonly #admission: Admission
  readonly #full: Seldom
  readonly #failed: Seldom
  readonly #connections = new Map<ConnectionContext, Entry>()
  readonly #bySession = new Map<string, Set<ConnectionContext>>()
  readonly #byUser = new Groups<ConnectionContext>()
  /** Made when a client is first looked for. */
  #byClient: Groups<ConnectionContext> | null = null
  readonly #unwatch: () => void
  /** Whether sessions are being verified, and since then more claims may have been missed. */
  #verifying: 'no' | 'once' | 'again' = 'no'
  #closing: ((error: null) => void) | null = null
  #closed = false

  /** `heapUsed`: the fraction of its limit that the heap uses. Default: that of this process. */
  constructor (broker: Broker, heapUsed?: () => number) {
    this.broker = broker
    this.heartbeat = new Heartbeat(broker.clock, broker.settings.heartbeat.interval / 2)
    this.expiry = new Expiry(broker.clock, 'timestamp')
    this.grants = new Expiry(broker.clock, 'now')
    this.readers = new AnyInboxes(broker, this.heartbeat, this.node)
    this.#full = new Seldom(broker.clock, WARN)
    this.#failed = new Seldom(broker.clock, QUIET)
    this.buffers = new Buffers(broker.settings.limits.bufferedBytesTotal)
    this.#admission = new Admission(broker.settings.limits, broker.clock, heapUsed)
    this.#unwatch = broker.storage.sessions.watch((session, generation) => this.#supersede(session, generation), () => this.#verify())
  }

  /** Connections now. */
  get size (): number {
    return this.#connections.size
  }

  /** Subscriptions now. */
  get subscriptions (): number {
    let count = 0
    for (const connection of this.#connections.keys()) count += connection.subscriptions.size
    return count
  }

  /** If this node vanished now: over how many milliseconds its clients should come back. */
  get spread (): number {
    return Math.ceil(this.#connections.size / ACCEPTS_PER_SECOND * 1000)
  }

  /** Whether memory is nearly used up, and nothing new should begin. */
  get strained (): boolean {
    return this.#admission.strained
  }

  /** The limit that keeps a peer out before its upgrade, or `null`. Such a refusal is counted, and warned of now and then. */
  atDoor (ip: string | undefined, log: ConnectionLog): ConnectionLimit | null {
    const limit = this.#admission.atDoor(ip)
    if (limit !== null) this.#note(limit, log)
    return limit
  }

  /** Takes a new connection. Hand its frames to `receive`, and tell it `drained` and `closed`. It has ended already where there is no room for it. */
  accept (peer: Peer): Connection {
    const connection = new Connection(this, peer)
    const { entry, limit } = this.#admission.enter(peer.ip)
    this.#connections.set(connection, entry)
    if (this.#closed) connection.end('PUSH_GOING_AWAY')
    else if (limit !== null) this.#refuse(connection, entry, limit)
    return connection
  }

  /** A connection knows its session now. Returns whether its user may have one more; if not, it was ended. */
  enter (connection: ConnectionContext, { key, client: { userId, clientId } }: Session): boolean {
    const entry = this.#connections.get(connection)
    if (entry === undefined) return false
    let connections = this.#bySession.get(key)
    // A session that comes back takes the place of its old connection, whose end nobody may have noticed.
    if (userId !== undefined && !this.#admission.enterUser(entry, userId, connections?.size === 1)) {
      this.#refuse(connection, entry, 'connectionsPerUser')
      return false
    }
    if (connections === undefined) this.#bySession.set(key, connections = new Set())
    connections.add(connection)
    if (userId !== undefined) this.#byUser.add(userId, connection)
    this.#byClient?.add(clientId, connection)
    return true
  }

  /** The connections of a user, of a client, or of that client of that user: those that have said who they are. */
  of ({ userId, clientId }: ClientsTarget): ConnectionContext[] {
    const found = userId !== undefined ? this.#byUser.of(userId) : this.#clientsOf(clientId as string)
    return found.filter(({ ended, session }) => !ended && (clientId === undefined || session?.client.clientId === clientId))
  }

  #clientsOf (clientId: string): ConnectionContext[] {
    if (this.#byClient === null) {
      this.#byClient = new Groups()
      for (const connection of this.#connections.keys()) {
        if (connection.session !== null) this.#byClient.add(connection.session.client.clientId, connection)
      }
    }
    return this.#byClient.of(clientId)
  }

  #refuse (connection: ConnectionContext, entry: Entry, limit: ConnectionLimit): void {
    this.#note(limit, connection.log)
    if (this.#admission.refuse(entry)) connection.end('PUSH_TOO_MANY', { limit, after: COME_BACK })
    else connection.drop('PUSH_TOO_MANY')
  }

  #note (limit: ConnectionLimit, log: ConnectionLog): void {
    this.refused++
    if (this.#full.ask(limit) === null) return
    log.warn({ limit, refused: this.refused }, 'push: no room for new connections')
  }

  /** Warns that a connection failed, once in a while where many do for the same reason. */
  warn (log: ConnectionLog, cause: unknown, code: Code): void {
    const held = this.#failed.ask(`${code} ${cause instanceof Error ? cause.message : ''}`)
    if (held !== null) log.warn({ err: cause, code, ...(held > 0 && { held }) }, 'push: connection failed')
  }

  /** A connection is gone. */
  forget (connection: ConnectionContext, session: string | null): void {
    const { userId, clientId } = connection.session?.client ?? {}
    if (userId !== undefined) this.#byUser.remove(userId, connection)
    if (clientId !== undefined) this.#byClient?.remove(clientId, connection)
    const entry = this.#connections.get(connection)
    if (entry !== undefined) this.#admission.leave(entry)
    this.#connections.delete(connection)
    if (session !== null) {
      const connections = this.#bySession.get(session)
      connections?.delete(connection)
      if (connections?.size === 0) this.#bySession.delete(session)
    }
    if (this.#connections.size === 0) this.#closing?.(null)
  }

  /** Says goodbye to everybody and resolves when all connections are gone: within the closing grace, whatever the peers do. */
  async close (): Promise<void> {
    this.#closed = true
    this.#unwatch()
    const { spread } = this
    for (const connection of [...this.#connections.keys()]) connection.end('PUSH_GOING_AWAY', { after: [0, spread] })
    const { clock, settings: { limits } } = this.broker
    const left = () => new PushError('PUSH_STORAGE_UNKNOWN', 'leases could not be given back in time')
    const givenBack = within(clock, limits.closeGrace, this.readers.close(), left).catch(this.broker.onError)
    if (this.#connections.size > 0) await new Promise((resolve) => { this.#closing = resolve })
    await givenBack
  }

  // Claims may have been missed: whose session was taken over would go on beside its successor for as long as it acknowledges nothing.
  #verify (): void {
    const isUnderWay = this.#verifying !== 'no'
    this.#verifying = 'again'
    if (!isUnderWay) this.#verifyAll().catch(this.broker.onError)
  }

  // Part of a Cluster may be away for long: the sessions of the others do not wait until it is back.
  async #verifyAll (): Promise<void> {
    let left: ConnectionContext[] = []
    while (!this.#closed && (this.#verifying === 'again' || left.length > 0)) {
      if (this.#verifying === 'again') left = [...this.#connections.keys()]
      this.#verifying = 'once'
      left = await this.#verifyEach(left)
      if (left.length > 0) await new Promise<void>((resolve) => { this.broker.clock.after(RETRY, resolve) })
    }
    this.#verifying = 'no'
  }

  // Resolves with those for which it failed.
  async #verifyEach (connections: readonly ConnectionContext[]): Promise<ConnectionContext[]> {
    const failed: ConnectionContext[] = []
    for (let i = 0; i < connections.length && !this.#closed; i += AT_ONCE) {
      const some = connections.slice(i, i + AT_ONCE)
      const outcomes = await Promise.allSettled(some.map(({ ended, session }) => ended ? undefined : session?.verify()))
      failed.push(...some.filter((_, i) => outcomes[i]?.status === 'rejected'))
    }
    return failed
  }

  #supersede (session: string, generation: number): void {
    this.readers.hear(session, generation)
    for (const connection of [...this.#bySession.get(session) ?? []]) connection.session?.hear(generation)
  }
}
