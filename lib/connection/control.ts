import type { Clients, ClientsTarget } from '../../types/push.js'
import type { FeedListener } from '../../types/storage.js'
import type { Channel } from '../broker/channels.js'
import { CONTROL } from '../broker/own-channels.js'
import { PushError } from '../core/errors.js'
import type { QoS } from '../../types/message.js'
import { decodeOrder, encodeOrder, isDisconnectCode, readDisconnect, readTarget, type Command } from './command.js'
import { sessionOf, type ConnectionContext } from './context.js'
import { attach } from './handlers/subscribe.js'
import { revoke } from './revoke.js'
import type { Service } from './service.js'

/** What the host does to clients, on this node and, over the storage's feed, on every other one. */
export class Control implements FeedListener {
  readonly #service: Service
  readonly #onError: (error: unknown) => void
  #leave: (() => Promise<void>) | null = null

  constructor (service: Service, onError: (error: unknown) => void) {
    this.#service = service
    this.#onError = onError
  }

  /** Listens to the other nodes. Rejects with the storage's error. */
  async open (): Promise<void> {
    this.#leave = await this.#service.broker.storage.feed.join(CONTROL, this)
  }

  async close (): Promise<void> {
    await this.#leave?.()
  }

  /** See `Push.clients`. */
  clients (target: ClientsTarget): Clients {
    const whom = readTarget(target)
    return {
      subscribe: (channel, { qos = 1 } = {}) => this.#order(whom, () => {
        if (![0, 1, 2].includes(qos)) throw new PushError('PUSH_INVALID', 'qos must be 0, 1 or 2')
        return { do: 'subscribe', channel: this.#find(channel).name, qos }
      }),
      unsubscribe: (channel) => this.#order(whom, () => ({ do: 'unsubscribe', channel: this.#find(channel).name })),
      disconnect: (options) => this.#order(whom, () => readDisconnect(options))
    }
  }

  #find (channel: string): Channel {
    return this.#service.broker.channels.find(channel)
  }

  // Here at once, whether or not the others hear of it. Whoever does not wait for it does not risk an unhandled rejection.
  #order (target: ClientsTarget, read: () => Command): Promise<void> {
    const ordered = (async () => {
      const command = read()
      const { feed } = this.#service.broker.storage
      await Promise.all([this.#apply(target, command), feed.broadcast(CONTROL, [encodeOrder({ node: this.#service.node, target, command })])])
    })()
    ordered.catch(this.#onError)
    return ordered
  }

  // ---- from other nodes

  volatile (bodies: readonly Uint8Array[]): void {
    for (const body of bodies) {
      const order = decodeOrder(body)
      if (order === null || order.node === this.#service.node) continue // its own come back to it
      this.#apply(order.target as ClientsTarget, order.command).catch(this.#onError)
    }
  }

  records (): void {} // nothing is stored there

  interrupted (): void {} // what was not heard cannot be asked for

  // ---- here

  async #apply (target: ClientsTarget, command: Command): Promise<void> {
    const connections = this.#service.of(target)
    switch (command.do) {
      case 'disconnect': {
        const { code, reason } = command
        if (!isDisconnectCode(code)) return
        for (const connection of connections) connection.end(code, reason === undefined ? {} : { reason })
        return
      }
      case 'read': return this.#service.readers.look(target.userId as string)
      case 'subscribe': {
        const channel = this.#find(command.channel)
        return this.#inTurn(connections, channel, (connection) => subscribe(connection, channel, command.qos))
      }
      case 'unsubscribe': {
        const channel = this.#find(command.channel)
        const { channels } = this.#service.broker
        const all = channel.rules.presence === null ? [channel] : [channel, channels.presenceOf(channel)]
        for (const connection of connections) forbid(connection, all)
        // Once more behind what the client had asked for before.
        await Promise.all(all.map((each) => this.#inTurn(connections, each, (connection) => unsubscribe(connection, each))))
      }
    }
  }

  // In order with what the client itself asks for. Who is still being greeted is not waited for.
  async #inTurn (connections: readonly ConnectionContext[], { wire }: Channel, work: (connection: ConnectionContext) => Promise<void>): Promise<void> {
    const works: Promise<void>[] = []
    for (const connection of connections) {
      connection.whenWelcomed(() => {
        works.push(connection.turns.run(wire, () => connection.ended ? Promise.resolve() : work(connection)).catch((error: unknown) => {
          connection.log.warn({ err: error, channel: wire }, 'push: a client could not be given what the host wanted')
        }))
      })
    }
    await Promise.all(works)
  }
}

// Nothing changes for a client that has it at this QoS or a higher one. [P-3.8]
async function subscribe (connection: ConnectionContext, channel: Channel, qos: QoS): Promise<void> {
  const existing = connection.subscriptions.get(channel.wire)
  if (existing !== undefined && existing.qos >= qos) return
  const { subscription, verdict } = await attach(connection, channel, { qos })
  const session = sessionOf(connection)
  // A guest writes no cursors; once it owns the session, all its subscriptions are followed.
  if (session.generation > 0) session.follow(subscription)
  connection.send({ type: 'subscribed', ...verdict })
  subscription.start()
  const { client } = session
  channel.rules.hooks.subscribe?.({ channel: channel.name, params: channel.params, client, qos, by: 'server' }).catch(() => {}) // refuses nothing
}

// At once, whatever the client still waits for.
function forbid (connection: ConnectionContext, channels: readonly Channel[]): void {
  connection.grants.forget()
  for (const channel of channels) revoke(connection, channel, 'PUSH_FORBIDDEN')
}

async function unsubscribe (connection: ConnectionContext, channel: Channel): Promise<void> {
  const session = sessionOf(connection)
  revoke(connection, channel, 'PUSH_FORBIDDEN')
  await session.forget(channel.name)
  if (channel.kind === 'declared' && channel.rules.presence !== null) await connection.service.broker.presence.leave(channel, session) // an earlier connection's
}
