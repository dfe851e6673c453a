import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Cluster, Redis } from 'ioredis'
import type { Push } from '../../types/index.js'
import { makeHost } from './app.js'
import type { Answer, Call, NodeSetup, RedisAddress, Word } from './redis-node.js'

// A node on Redis in a process of its own: see startNode.

const setup = JSON.parse(process.argv[2] ?? '') as NodeSetup
const machine = Date.now
let { skew = 0 } = setup
Date.now = () => machine() + skew
const load = <Module>(path: string): Promise<Module> => import(new URL(`lib/${path}`, setup.root).href) as Promise<Module>
const { default: fastifyPush } = await load<typeof import('../../lib/index.js')>('index.js')
const { redisStorage } = await load<typeof import('../../lib/storage/redis/index.js')>('storage/redis/index.js')

const say = (word: Word): void => { process.send?.(word) }
const { app, log } = makeHost()
const client = connect(setup.redis)
client.on('error', () => {}) // the storage tells of its own
const storage = redisStorage({ client, ...setup.storage })
/** What a user may not, each as `user channel`. */
const forbidden = new Set<string>()

await app.register(fastifyPush, {
  ...setup.push,
  storage,
  ...(setup.users === true
    ? {
        authenticate: (_request, { token }) => token === undefined ? null : { userId: token },
        authorize: ({ channel, client }) => !forbidden.has(`${client.userId} ${channel}`)
      }
    : {})
})
app.push.addHook('onPresence', ({ channel, cause, member }) => say({ type: 'presence', channel, cause, clientId: member.clientId }))
app.push.addHook('onDisconnect', ({ client, code }) => say({ type: 'disconnect', clientId: client.clientId, code }))
await app.listen({ host: '127.0.0.1', port: setup.port ?? 0, backlog: 4096 })

process.on('message', ({ id, name, args }: Call) => {
  answer(app, name, args).then((result): Answer => ({ type: 'answer', id, result }), (error): Answer => ({ type: 'answer', id, error: describe(error) })).then(say, () => {})
})
process.on('disconnect', () => process.exit())
process.on('SIGTERM', () => {
  app.close().then(() => {
    client.disconnect()
    process.disconnect()
  }, () => process.exit(1))
})
say({ type: 'open', port: (app.server.address() as AddressInfo).port })

function connect (address: RedisAddress): Redis | Cluster {
  const options = { connectTimeout: 1000 }
  if ('port' in address) return new Redis({ ...options, port: address.port })
  if ('cluster' in address) return new Cluster(address.cluster, { redisOptions: options })
  return new Redis({ ...options, name: address.name, sentinels: address.sentinels })
}

async function answer ({ push }: FastifyInstance, name: string, args: readonly unknown[]): Promise<unknown> {
  if (name === 'skew') {
    skew = Number(args[0])
    return
  }
  if (name === 'warnings') return log.filter(({ level }) => level >= 40)
  if (name === 'health') return await storage.health()
  if (name === 'forbid') return forbidden.add(args.join(' ')).size
  const [method, of] = name.split('.').reverse() as [string, string | undefined]
  const target = of === 'clients' ? push.clients(args[0] as Parameters<Push['clients']>[0]) : push
  const work = (target as unknown as Record<string, (...args: unknown[]) => unknown>)[method]
  if (work === undefined) throw new Error(`a node has no ${name}`)
  return await work.apply(target, of === 'clients' ? args.slice(1) : [...args])
}

function describe (error: unknown): NonNullable<Answer['error']> {
  const { code = 'not coded', message, id, cause } = error as { code?: string, message: string, id?: string, cause?: unknown }
  return { code, message: cause instanceof Error ? `${message} (${cause.message})` : message, ...(id === undefined ? {} : { id }) }
}
