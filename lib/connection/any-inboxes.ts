import type { QoS } from '../../types/message.js'
import type { Broker } from '../broker/broker.js'
import type { Channel } from '../broker/channels.js'
import { CONTROL } from '../broker/own-channels.js'
import { leaseKeyOf } from '../broker/session-key.js'
import type { Started } from '../broker/subscribing.js'
import { encodeOrder } from './command.js'
import type { ConnectionContext, Readers } from './context.js'
import type { Heartbeat, Place } from './heartbeat.js'
import { ReadingLine } from './reading-line.js'

interface Kept {
  readonly line: ReadingLine
  readonly place: Place
}

/** The lines of all users that have one on this node, for what any one of their clients is to handle. */
export class AnyInboxes implements Readers {
  readonly #broker: Broker
  readonly #heartbeat: Heartbeat
  /** This node, to the others. */
  readonly #node: string
  /** By the key of the lease. */
  readonly #lines = new Map<string, Kept>()

  constructor (broker: Broker, heartbeat: Heartbeat, node: string) {
    this.#broker = broker
    this.#heartbeat = heartbeat
    this.#node = node
  }

  /** Users that have a line. */
  get size (): number {
    return this.#lines.size
  }

  attach (connection: ConnectionContext, channel: Channel, qos: QoS): Promise<Started> {
    return this.#lineOf(channel).attach(connection, qos)
  }

  leave (connection: ConnectionContext): void {
    const userId = connection.session?.client.userId
    if (this.#lines.size > 0 && userId !== undefined) this.#lines.get(leaseKeyOf(userId))?.line.leave(connection)
  }

  /** Another node says that the lease of a user is free. */
  look (userId: string): void {
    this.#lines.get(leaseKeyOf(userId))?.line.look()
  }

  /** A session was taken: it may be a lease. */
  hear (session: string, generation: number): void {
    this.#lines.get(session)?.line.hear(generation)
  }

  /** Resolves when all leases have been given back. To be called once every connection has ended. */
  async close (): Promise<void> {
    await Promise.all([...this.#lines.values()].map(({ line }) => line.settled()))
    for (const key of [...this.#lines.keys()]) this.#forget(key)
  }

  #lineOf (channel: Channel): ReadingLine {
    const userId = channel.params.userId as string
    const key = leaseKeyOf(userId)
    const kept = this.#lines.get(key)
    if (kept !== undefined) return kept.line
    const { interval, timeout } = this.#broker.settings.heartbeat
    const line = new ReadingLine({
      broker: this.#broker,
      channel,
      key,
      ttl: 2 * interval + timeout,
      onFree: () => this.#tell(userId),
      onIdle: () => this.#forget(key)
    })
    this.#lines.set(key, { line, place: this.#heartbeat.add(line) })
    return line
  }

  #forget (key: string): void {
    const kept = this.#lines.get(key)
    this.#lines.delete(key)
    if (kept !== undefined) this.#heartbeat.remove(kept.line, kept.place)
  }

  // Whom this does not reach asks by itself before long.
  async #tell (userId: string): Promise<void> {
    const order = encodeOrder({ node: this.#node, target: { userId }, command: { do: 'read' } })
    await this.#broker.storage.feed.broadcast(CONTROL, [order]).catch(() => {})
  }
}
