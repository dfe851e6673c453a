import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import fastifyPush from '../../lib/index.js'
import { redisStorage } from '../../lib/storage/redis/index.js'
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

/**
 * Starts the chat on loopback, at `port` or, if that is taken, at a free one. With the URL of a Redis there are two nodes, and each connection comes to the next one: they share
 * everything, so nobody can tell. (Here both are in this process; they might be on two machines.)
 */
export async function startChat (port: number, redisUrl?: string): Promise<Chat> {
  const network = new Network()
  const secret = randomBytes(32).toString('hex')
  const redis = redisUrl === undefined ? null : new Redis(redisUrl)
  const apps = await Promise.all((redis === null ? [0] : [0, 1]).map(() => startNode(network, secret, redis)))
  const targets = apps.map(({ server }) => (server.address() as AddressInfo).port)
  const url = `http://127.0.0.1:${await network.listen(port, targets)}/`
  const close = async () => {
    await Promise.all(apps.map((app) => app.close()))
    await network.close()
    redis?.disconnect()
  }
  const [{ push }] = apps as [FastifyInstance]
  return { url, push, close }
}

async function startNode (network: Network, secret: string, redis: Redis | null): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(accounts, { secret })
  await app.register(fastifyPush, {
    ...(redis === null ? {} : { storage: redisStorage({ client: redis, prefix: 'chat' }) }),
    authenticate: (_request, { token }) => app.identify(token),
    channels: { 'room/:name': { history: { limit: 200, ttl: '1d' }, clientPublish: true, presence: { grace: '5s' } } }
  })
  await app.register(pages, { network })
  await app.listen({ host: '127.0.0.1', port: 0, backlog: 4096 })
  return app
}
