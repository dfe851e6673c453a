import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import fastifyPush from '../../lib/index.js'
import type { Push } from '../../types/index.js'
import { accounts } from './accounts.js'
import { Network } from './network.js'
import { pages } from './pages.js'

/** A running chat. */
export interface Chat {
  /** Where its page is. */
  readonly url: string
  /** What the server itself publishes with. */
  readonly push: Push
  /** Says goodbye to everybody and ends. */
  close (): Promise<void>
}

/** Starts the chat on loopback, at `port` or, if that is taken, at a free one. */
export async function startChat (port: number): Promise<Chat> {
  const network = new Network()
  const app = Fastify({ forceCloseConnections: true })
  await app.register(accounts, { secret: randomBytes(32).toString('hex') })
  await app.register(fastifyPush, {
    authenticate: (_request, { token }) => app.identify(token),
    channels: { 'room/:name': { history: { limit: 200, ttl: '1d' }, clientPublish: true, presence: { grace: '5s' } } }
  })
  await app.register(pages, { network })
  await app.listen({ host: '127.0.0.1', port: 0, backlog: 4096 })
  const { port: target } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${await network.listen(port, target)}/`
  const close = async () => {
    await app.close()
    await network.close()
  }
  return { url, push: app.push, close }
}
