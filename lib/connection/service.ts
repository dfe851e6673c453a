import type { Broker } from '../broker/broker.js'
import { Connection } from './connection.js'
import type { ConnectionContext, Peer, ServiceContext } from './context.js'
import { Heartbeat } from './heartbeat.js'

/** Accepts per second that a node is expected to stand: the base of `spread`. */
const ACCEPTS_PER_SECOND = 2000

/** All connections of one node. */
export class Service implements ServiceContext {
  readonly broker: Broker
  readonly heartbeat: Heartbeat
  readonly #connections = new Set<ConnectionContext>()
  readonly #bySession = new Map<string, Set<ConnectionContext>>()
  readonly #unwatch: () => void
  #closing: ((error: null) => void) | null = null
  #closed = false

  constructor (broker: Broker) {
    this.broker = broker
    this.heartbeat = new Heartbeat(broker.clock, broker.settings.heartbeat.interval / 2)
    this.#unwatch = broker.storage.sessions.watch((session, generation) => this.#supersede(session, generation))
  }

  /** Connections now. */
  get size (): number {
    return this.#connections.size
  }

  /** Subscriptions now. */
  get subscriptions (): number {
    let count = 0
    for (const connection of this.#connections) count += connection.subscriptions.size
    return count
  }

  /** If this node vanished now: over how many milliseconds its clients should come back. */
  get spread (): number {
    return Math.ceil(this.#connections.size / ACCEPTS_PER_SECOND * 1000)
  }

  /** Takes a new connection. Hand its frames to `receive`, and tell it `drained` and `closed`. */
  accept (peer: Peer): Connection {
    const connection = new Connection(this, peer)
    this.#connections.add(connection)
    if (this.#closed) connection.end('PUSH_GOING_AWAY')
    return connection
  }

  /** A connection knows its session now. */
  enter (connection: ConnectionContext, session: string): void {
    let connections = this.#bySession.get(session)
    if (connections === undefined) this.#bySession.set(session, connections = new Set())
    connections.add(connection)
  }

  /** A connection is gone. */
  forget (connection: ConnectionContext, session: string | null): void {
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
    for (const connection of [...this.#connections]) connection.end('PUSH_GOING_AWAY', [0, spread])
    if (this.#connections.size === 0) return
    await new Promise((resolve) => { this.#closing = resolve })
  }

  #supersede (session: string, generation: number): void {
    for (const connection of [...this.#bySession.get(session) ?? []]) connection.session?.hear(generation)
  }
}
