import { PushError } from '../../core/errors.js'
import { timely, type Connection } from './connection.js'
import { readError } from './errors.js'

/** Channels named in one command. */
const AT_ONCE = 1000

export interface SubscriberContext {
  readonly isCluster: boolean
  /** The one name that concerns no channel: in Cluster all servers pass it on. */
  readonly shared: string
  /** Milliseconds until Redis must have confirmed. */
  readonly timeout: number
  readonly onMessage: (channel: string, message: Buffer) => void
  /** Announcements may have been lost; all that was wanted is subscribed again. */
  readonly onRestored: () => void
}

/** The connection on which a node hears what others announce. It subscribes again by itself. */
export class Subscriber {
  readonly #context: SubscriberContext
  readonly #wanted = new Set<string>()
  #connection: Connection | null = null
  /** Which time it was connected. */
  #times = 0
  #isLive = false

  constructor (context: SubscriberContext) {
    this.#context = context
  }

  /** Whether everything wanted is subscribed. */
  get isLive (): boolean {
    return this.#isLive
  }

  /** From now on there is a connection, yet to be made. */
  open (connection: Connection): void {
    const { onMessage, onRestored, isCluster } = this.#context
    this.#connection = connection
    for (const event of ['messageBuffer', 'smessageBuffer']) {
      connection.on(event, (channel: Buffer, message: Buffer) => onMessage(channel.toString('utf8'), message))
    }
    connection.on('ready', () => { this.#restore(++this.#times).catch(() => { connection.disconnect(true) }) })
    connection.on('close', () => { this.#isLive = false })
    // In Cluster the connection to one node may have been lost and made again without another word.
    if (isCluster) for (const event of ['+node', '-node', 'node error']) connection.on(event, () => onRestored())
  }

  /** Resolves once Redis has confirmed. Rejects with `PUSH_STORAGE_UNAVAILABLE`. */
  async add (channel: string): Promise<void> {
    if (!this.#isLive) throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'not connected to Redis')
    this.#wanted.add(channel)
    try {
      await timely(this.#subscribe([channel]), this.#context.timeout)
    } catch (error) {
      this.#wanted.delete(channel)
      throw readError(error, false)
    }
  }

  /** Hears nothing of it any more, at the latest when the connection ends. */
  async remove (channel: string): Promise<void> {
    this.#wanted.delete(channel)
    const connection = this.#connection
    if (!this.#isLive || connection === null) return
    const work = this.#isSharded(channel) ? connection.sunsubscribe(channel) : connection.unsubscribe(channel)
    await timely(work, this.#context.timeout).catch(() => {})
  }

  // A connection that is lost meanwhile begins anew.
  async #restore (time: number): Promise<void> {
    const wanted = [...this.#wanted]
    const mine = this.#context.isCluster ? wanted.filter((channel) => !this.#isSharded(channel)) : wanted
    for (let i = 0; i < mine.length; i += AT_ONCE) await timely(this.#subscribe(mine.slice(i, i + AT_ONCE)), this.#context.timeout)
    if (time !== this.#times) return
    this.#isLive = true
    if (time > 1) this.#context.onRestored()
  }

  async #subscribe (channels: readonly string[]): Promise<void> {
    const connection = this.#connection as Connection
    const [first = ''] = channels
    await (this.#isSharded(first) ? connection.ssubscribe(first) : connection.subscribe(...channels))
  }

  // In Cluster, what concerns a channel is only where the channel is.
  #isSharded (channel: string): boolean {
    return this.#context.isCluster && channel !== this.#context.shared
  }
}
