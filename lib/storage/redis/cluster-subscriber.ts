import { PushError } from '../../core/errors.js'
import { duplicateServer, end, timely, type ClusterConnection, type Connection } from './connection.js'
import { slotOf } from './slot.js'
import { Subscriber, type Hearing, type SubscriberContext } from './subscriber.js'

/** Least time between two looks at which server has which slots, in milliseconds. */
const REST = 250

/** An ear: what is heard of one server. */
interface Ear {
  readonly connection: Connection
  readonly subscriber: Subscriber
}

export interface ClusterSubscriberContext extends Omit<SubscriberContext, 'onMoved'> {
  /** A connection was made that the host is to hear of if it is in trouble. */
  readonly onConnection: (connection: Connection) => void
}

/** How a node hears what is announced in a Cluster: on a connection to each server that has slots, of each channel where its slot is. It follows slots to other servers by itself. */
export class ClusterSubscriber implements Hearing {
  readonly #context: ClusterSubscriberContext
  /** By server, `host:port`. */
  readonly #ears = new Map<string, Ear>()
  /** What is wanted, and where it was asked for: `null` while no server has its slot. */
  readonly #wanted = new Map<string, Ear | null>()
  /** Ears that may have been dropped from some of what they wanted. */
  readonly #doubtful = new Set<Ear>()
  #cluster: ClusterConnection | null = null
  #looking: NodeJS.Timeout | null = null
  #isClosed = false

  constructor (context: ClusterSubscriberContext) {
    this.#context = context
  }

  get isLive (): boolean {
    return this.#ears.size > 0 && [...this.#ears.values()].every(({ subscriber }) => subscriber.isLive) && ![...this.#wanted.values()].includes(null)
  }

  get connections (): readonly Connection[] {
    return [...this.#ears.values()].map(({ connection }) => connection)
  }

  /** From now on there is a Cluster, connected. Resolves once its servers are heard, or the timeout is over. */
  async open (cluster: ClusterConnection): Promise<void> {
    this.#cluster = cluster
    cluster.on('refresh', () => this.#place())
    this.#place()
    const { timeout } = this.#context
    await Promise.allSettled(this.connections.map((connection) => timely(new Promise<void>((resolve) => { connection.on('ready', resolve) }), timeout)))
  }

  async add (name: string): Promise<void> {
    const ear = this.#earOf(name)
    if (ear === null) {
      this.#look()
      throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'no server has the slot')
    }
    this.#wanted.set(name, ear)
    try {
      await ear.subscriber.add(name)
    } catch (error) {
      this.remove(name).catch(() => {}) // by now it may be wanted of another server
      this.#look(ear)
      throw error
    }
  }

  async remove (name: string): Promise<void> {
    const ear = this.#wanted.get(name)
    this.#wanted.delete(name)
    await ear?.subscriber.remove(name)
  }

  async close (): Promise<void> {
    this.#isClosed = true
    if (this.#looking !== null) clearTimeout(this.#looking)
    const ears = [...this.#ears.values()]
    this.#ears.clear()
    await Promise.all(ears.map(({ connection }) => end(connection)))
  }

  // Moves what is wanted to the servers that have the slots now.
  #place (): void {
    if (this.#isClosed || this.#cluster === null) return
    const servers = new Set(this.#cluster.slots.map((slot) => slot?.[0]))
    for (const server of servers) {
      if (server !== undefined && !this.#ears.has(server)) this.#listen(this.#cluster, server)
    }
    for (const [name, before] of this.#wanted) {
      const ear = this.#earOf(name)
      if (ear === before) continue
      this.#wanted.set(name, ear)
      before?.subscriber.remove(name).catch(() => {})
      if (ear === null) this.#look()
      else ear.subscriber.take(name)
    }
    for (const [server, ear] of this.#ears) {
      if (servers.has(server)) continue
      this.#ears.delete(server)
      this.#doubtful.delete(ear)
      end(ear.connection).catch(() => {})
    }
    for (const ear of this.#doubtful) ear.subscriber.renew()
    this.#doubtful.clear()
  }

  #listen (cluster: ClusterConnection, server: string): void {
    const connection = duplicateServer(cluster, server, this.#context.timeout)
    if (connection === undefined) return this.#look()
    const subscriber = new Subscriber({ ...this.#context, onMoved: () => this.#look(ear) })
    const ear = { connection, subscriber }
    this.#ears.set(server, ear)
    this.#context.onConnection(connection)
    subscriber.open(connection)
    connection.connect().catch(() => {}) // it tries again by itself
  }

  #earOf (name: string): Ear | null {
    const server = this.#cluster?.slots[slotOf(name)]?.[0]
    return (server === undefined ? undefined : this.#ears.get(server)) ?? null
  }

  // Something has changed, or will: looks which server has which slots, until one has said so.
  #look (doubtful?: Ear): void {
    if (this.#isClosed) return
    if (doubtful !== undefined) this.#doubtful.add(doubtful)
    this.#looking ??= setTimeout(() => {
      this.#looking = null
      this.#cluster?.refreshSlotsCache((error) => { if (error) this.#look() })
    }, REST).unref()
  }
}
