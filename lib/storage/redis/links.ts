import { PushError } from '../../core/errors.js'
import { ClusterSubscriber } from './cluster-subscriber.js'
import { connect, duplicate, end, mastersOf, serversOf, type Client, type ClusterConnection, type Connection } from './connection.js'
import { inspect } from './inspection.js'
import type { Operations } from './operations.js'
import { Pulse } from './pulse.js'
import { Subscriber, type Hearing, type SubscriberContext } from './subscriber.js'

export interface LinksContext extends Pick<SubscriberContext, 'isSharded' | 'onMessage' | 'onRestored'> {
  readonly client: Client
  readonly timeout: number
  readonly operations: Operations
  /** For appends: the same, unless they wait for replicas, and so need a connection for themselves. */
  readonly appending: Operations
  readonly onError: (error: unknown) => void
  readonly onWarning: (text: string) => void
}

/** The connections of an adapter: for commands, for appends that wait for replicas, and to listen. */
export class Links {
  readonly subscriber: Hearing
  readonly #context: LinksContext
  readonly #subscriber: Subscriber | ClusterSubscriber
  readonly #connections: Connection[] = []
  readonly #pulse: Pulse

  constructor (context: LinksContext) {
    this.#context = context
    const { client, timeout } = context
    const hearing = { ...context, onTrouble: (error: Error) => this.#tell(error) }
    const onConnection = (connection: Connection): void => this.#watch(connection)
    this.subscriber = this.#subscriber = client.isCluster ? new ClusterSubscriber({ ...hearing, onConnection }) : new Subscriber(hearing)
    this.#pulse = new Pulse(() => [...this.#connections.flatMap(serversOf), ...this.subscriber.connections], timeout)
  }

  /** Connects, and looks whether the server will do. Rejects with a PushError; then `close` is to be called all the same. */
  async open (): Promise<void> {
    const { timeout, operations, appending, onWarning } = this.#context
    const commands = this.#make()
    this.#connections.push(commands)
    operations.open(commands)
    if (appending !== operations) {
      const publishing = this.#make()
      this.#connections.push(publishing)
      appending.open(publishing)
    }
    if (this.#subscriber instanceof Subscriber) this.#subscriber.open(this.#make())
    await Promise.all([...this.#connections, ...this.subscriber.connections].map((connection) => connect(connection, timeout)))
    await inspect(mastersOf(commands), timeout, onWarning)
    if (this.#subscriber instanceof ClusterSubscriber) await this.#subscriber.open(commands as ClusterConnection)
    this.#pulse.start()
  }

  /** Ends all connections, within a grace. Never rejects. */
  async close (): Promise<void> {
    this.#pulse.stop()
    await Promise.all([this.subscriber.close(), ...this.#connections.splice(0).map(end)])
  }

  #make (): Connection | ClusterConnection {
    const connection = duplicate(this.#context.client, this.#context.timeout)
    this.#watch(connection)
    return connection
  }

  #watch (connection: Connection): void {
    connection.on('error', (error: Error) => this.#tell(error))
  }

  #tell (error: Error): void {
    this.#context.onError(new PushError('PUSH_STORAGE_UNAVAILABLE', `Redis: ${error.message}`, { cause: error }))
  }
}
