import type { ChannelOptions, FastifyPushOptions } from '../../types/options.js'
import type { QoS } from '../../types/message.js'
import { checkAcknowledged } from './check-publish.js'
import type { SharedStore } from './faulty-storage.js'
import type { History, Publish } from './history.js'
import type { Modules } from './modules.js'
import { helloOf, type Link, type Listener, type ServerEnd } from './network.js'
import type { Random } from './random.js'
import { Process, type Scheduler } from './scheduler.js'

/** What the nodes of a run share. */
export interface Cluster {
  readonly modules: Modules
  readonly scheduler: Scheduler
  readonly random: Random
  readonly history: History
  readonly store: SharedStore
  readonly options: Pick<FastifyPushOptions, 'heartbeat' | 'session' | 'idWindow' | 'limits'>
  readonly channels: Readonly<Record<string, ChannelOptions>>
  /** How often a client is told no; a chance in [0, 1]. */
  readonly refusals: { subscribe: number, publish: number }
}

/** One server process: the real broker and the real connections. */
export class ServerNode implements Listener {
  readonly name: string
  readonly process: Process
  readonly broker: InstanceType<Modules['broker']['Broker']>
  readonly service: InstanceType<Modules['service']['Service']>
  /** It was told to close. */
  stopping = false
  readonly #cluster: Cluster

  constructor (cluster: Cluster, name: string) {
    const { modules, scheduler, random, history, store } = cluster
    this.#cluster = cluster
    this.name = name
    this.process = new Process(scheduler, name, random.int(-300_000, 300_000))
    this.broker = new modules.broker.Broker({
      storage: store.view(this.process),
      settings: modules.settings.readSettings(cluster.options),
      clock: this.process.clock,
      defer: (callback) => this.process.later(0, callback),
      authorize: ({ action }) => this.#authorize(action),
      onError: (error) => history.note(`${name} notices ${String((error as Error).message)}`),
      onPublishFailed: () => {}
    })
    for (const [pattern, options] of Object.entries(cluster.channels)) this.broker.declare(pattern, options)
    this.service = new modules.service.Service(this.broker)
  }

  /** Opens. The store is open already, so nothing is waited for. */
  open (): void {
    this.broker.open().catch((error: unknown) => { throw error })
  }

  accept (link: Link, protocols: readonly string[]): ServerEnd {
    const connection = this.service.accept({
      socket: link.socket,
      log: {
        debug: (_fields, text) => this.#cluster.history.note(`${this.name} (${link.number}) ${text}`),
        warn: (fields, text) => this.#cluster.history.note(`${this.name} (${link.number}) ${text} ${String((fields as { err?: Error }).err?.message ?? '')}`)
      },
      authenticate: async () => null
    })
    const hello = helloOf(protocols)
    if (hello !== undefined) connection.receive(hello)
    return {
      message: (text) => connection.receive(text),
      drained: () => connection.drained(),
      closed: () => connection.closed()
    }
  }

  /** The server's own publish. */
  publish (channel: string, qos: QoS, options: { id?: string, ttl?: number }, again?: Publish): Publish {
    const { history } = this.#cluster
    const publish = again ?? history.publish(this.name, channel, qos, { id: options.id, ordered: false, plain: options.ttl === undefined })
    publish.pending++
    history.note(`${this.name} publishes #${publish.ref} to ${channel} at QoS ${qos} ${JSON.stringify(options)}`)
    const settled = (how: 'ok' | 'refused' | 'unknown', code = ''): void => {
      publish.pending--
      publish[how]++
      history.note(`${this.name} hears that #${publish.ref} is ${how} ${code}`)
    }
    this.process.onKilled(() => { if (publish.pending > 0) settled('unknown') })
    this.broker.publish(channel, { ref: publish.ref }, { qos, ...options }).then(
      ({ position }) => {
        settled('ok')
        checkAcknowledged(history, publish, position)
      },
      ({ code }: { code: string }) => settled(code === 'PUSH_UNKNOWN' ? 'unknown' : 'refused', code))
    return publish
  }

  /** Ends in order. Resolves when everything is closed. */
  async close (): Promise<void> {
    this.stopping = true
    await this.service.close()
    await this.broker.close()
  }

  /** Ends at once, with all it has in memory. */
  kill (): void {
    this.#cluster.history.note(`${this.name} is killed`)
    this.process.kill()
  }

  async #authorize (action: string): Promise<boolean> {
    const { random, refusals } = this.#cluster
    const chance = action === 'publish' ? refusals.publish : action === 'subscribe' ? refusals.subscribe : 0
    if (random.chance(0.3)) await new Promise<void>((resolve) => { this.process.later(random.int(1, 60), resolve) })
    return !random.chance(chance)
  }
}
