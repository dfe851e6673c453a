import type { ConnectionContext } from './context.js'
import type { Beating, Place } from './heartbeat.js'
import type { Outgoing } from './outgoing.js'

/** A connection whose peer may be gone, or take nothing. */
export interface Living extends ConnectionContext {
  readonly outgoing: Outgoing
  /** Ends without waiting, since the reader does not keep up. */
  dropSlow (): void
}

/** Whether the peer of a connection still speaks and still reads, judged by visits of the heartbeat; and what keeps it and its session alive. */
export class Liveness implements Beating {
  /** Whether anything was heard since the last visit. */
  heard = true
  readonly #connection: Living
  readonly #place: Place
  #silentVisits = 0
  #stalledVisits = 0

  constructor (connection: Living) {
    this.#connection = connection
    this.#place = connection.service.heartbeat.add(this)
  }

  /** The connection has ended. */
  release (): void {
    this.#connection.service.heartbeat.remove(this, this.#place)
  }

  /** Visited by the heartbeat. */
  beat (): void {
    try {
      this.#beat()
    } catch (error) {
      this.#connection.fail(error)
    }
  }

  // Visited twice an interval, so that no silence is longer than the interval. [P-7.1]
  #beat (): void {
    const { service, session, outgoing, subscriptions } = this.#connection
    if (!outgoing.wrote && session !== null) this.#connection.send({ type: 'ping' })
    outgoing.wrote = false
    this.#silentVisits = this.heard ? 0 : this.#silentVisits + 1
    this.heard = false
    // What waits for a reader that takes nothing is memory: it has its cursor to come back to.
    this.#stalledVisits = outgoing.stands() && !outgoing.writable ? this.#stalledVisits + 1 : 0
    session?.keep(subscriptions.values())
    const { limits } = service.broker.settings
    const { period } = service.heartbeat
    if (this.#silentVisits * period >= limits.silence) this.#connection.drop('PUSH_TIMEOUT')
    else if (this.#stalledVisits * period >= limits.stalled) this.#connection.dropSlow()
  }
}
