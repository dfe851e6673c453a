import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import fastifyPush from '../../lib/index.js'
import { PushError } from '../../lib/core/errors.js'
import { createClient } from '../../lib/client/node.js'
import type { Client } from '../../lib/client/api.js'
import { redisStorage } from '../../lib/storage/redis/index.js'
import type { Gap } from '../../types/message.js'
import type { StorageAdapter } from '../../types/storage.js'
import type { FastifyInstance } from 'fastify'
import { makeHost, type LogLine } from '../helpers/app.js'
import { freePort } from '../helpers/free-port.js'
import { RedisServer } from '../helpers/redis.js'
import { hear, ROOMS, until, watch, type Heard } from './fleet.js'

// What an application and its clients notice while Redis is away: "publishes fail fast with a retryable code, connections stay, and all goes on by itself when it is back".

const ROOM = 'room/1'
const TIMEOUT = 1000
/** Within which whatever is asked for has an answer, however slow the machine: without a timeout it would have none for a quarter of an hour. */
const BOUND = 10 * TIMEOUT

interface Host {
  readonly app: FastifyInstance
  readonly storage: StorageAdapter
  readonly log: readonly LogLine[]
  readonly url: string
}

function clientOf (t: Test, port: number): Redis {
  const client = new Redis({ port, connectTimeout: 1000 })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  return client
}

async function makeApp (t: Test, port: number): Promise<Omit<Host, 'url'>> {
  const { app, log } = makeHost()
  const storage = redisStorage({ client: clientOf(t, port), timeout: TIMEOUT })
  t.teardown(() => app.close())
  app.register(fastifyPush, { storage, channels: ROOMS, authenticate: (_request, { token }) => ({ userId: String(token) }) })
  return { app, storage, log }
}

async function startHost (t: Test, redis: RedisServer): Promise<Host> {
  const host = await makeApp(t, redis.port)
  await host.app.listen({ host: '127.0.0.1', port: 0 })
  return { ...host, url: `ws://127.0.0.1:${(host.app.server.address() as AddressInfo).port}/push` }
}

/** A client, and the states it has been in. */
function open (t: Test, { url }: Host, name: string): { client: Client, states: string[] } {
  const client = createClient(url, { clientId: name, token: name, reconnect: { min: 20, base: 100, max: 500 } })
  t.teardown(() => client.close({ timeout: 0 }))
  const states: string[] = []
  client.on('state', (state) => { states.push(state) })
  return { client, states }
}

/** The code with which something failed; `ok` if it did not, `nothing` if it had no outcome within the bound. */
async function outcomeOf (work: PromiseLike<unknown>): Promise<{ readonly code: string, readonly id: string | undefined }> {
  const error: unknown = await Promise.race([work.then(() => 'ok', (error: unknown) => error), sleep(BOUND, 'nothing', { ref: false })])
  return error instanceof PushError ? { code: error.code, id: error.id } : { code: String(error), id: undefined }
}

const isRetryable = (code: string): boolean => code.startsWith('PUSH_') && new PushError(code as 'PUSH_BUSY').retryable

/** Two hosts on one Redis, with a client on each that follows a room and is a member, and is told of the other. */
async function startWorld (t: Test, ...args: string[]) {
  const redis = await RedisServer.start(...args)
  t.teardown(() => redis.stop())
  const hosts = await Promise.all([startHost(t, redis), startHost(t, redis)])
  const clients = [open(t, hosts[0], 'alice'), open(t, hosts[1], 'bob')] as const
  const heard = clients.map(({ client }) => hear(client, ROOM))
  const watched = clients.map(({ client }) => watch(client, ROOM))
  await Promise.all([...heard.map(({ ready }) => ready), ...clients.map(({ client }) => client.channel(ROOM).enter())])
  await until(() => watched.every(({ joined }) => joined.length === 2), 'they see each other')
  await hosts[0].app.push.publish(ROOM, 'before')
  await until(() => heard.every(({ data }) => data.length === 1), 'they hear of it')
  return { redis, hosts, clients, heard, watched }
}

/** Everything that may be asked for while Redis is away fails soon, with a code that says to come back. */
async function assertFailsFast (t: Test, { app, storage }: Host, client: Client): Promise<void> {
  const { code, id } = await outcomeOf(app.push.publish(ROOM, 'by the server meanwhile', { id: 'meanwhile' }))
  t.ok(isRetryable(code) && id === 'meanwhile', `a publish: ${code}`)
  for (let i = 0; i < 50; i++) app.push.publish('room/lost', i).catch(() => {})
  for (const work of [app.push.history(ROOM), app.push.presence(ROOM), app.push.online('alice'), app.push.unread('alice'), client.channel(ROOM).history()]) {
    const { code } = await outcomeOf(work)
    t.ok(isRetryable(code), `a read: ${code}`)
  }
  t.equal((await storage.health()).ok, false)
}

/** Each message is stored once, and everybody has heard each once, in one order; at the most the continuity was unverified. */
async function assertAllOnce (t: Test, { app }: Host, heard: readonly Heard[]): Promise<void> {
  await until(() => heard.every(({ data }) => data.includes('after')), () => `all hear what is new: ${JSON.stringify(heard)}`)
  const all = (await app.push.history(ROOM)).messages.map(({ data }) => data)
  t.same([...all].sort(), ['after', 'before', 'by a client meanwhile', 'by the server meanwhile'], 'each is stored once')
  for (const { data, gaps } of heard) {
    t.same(data, all, 'and heard once, in order')
    t.same((gaps as Gap[]).filter(({ reason }) => reason !== 'unverified'), [], 'nothing was lost')
  }
}

t.test('Redis is killed and comes back: connections stay, publishes fail fast or wait, and all goes on by itself', async (t) => {
  const { redis, hosts: [one, other], clients, heard, watched } = await startWorld(t, '--appendonly', 'yes', '--appendfsync', 'always')
  const [alice, bob] = clients
  const rooms = Array.from({ length: 50 }, (_, i) => hear(alice.client, `room/more-${i}`))
  await Promise.all(rooms.map(({ ready }) => ready))
  const before = clients.map(({ states }) => states.length)

  await redis.kill()
  const settled = alice.client.channel(ROOM).publish('by a client meanwhile')
  const late = hear(bob.client, 'room/2')
  const comers = Array.from({ length: 20 }, (_, i) => open(t, other, `comer-${i}`))
  for (let i = 0; i < 10; i++) {
    await assertFailsFast(t, one, bob.client)
    await new Promise((resolve) => { setTimeout(resolve, 500) })
  }
  t.same(clients.map(({ states }) => states.length), before, 'the connections stay')
  t.same(comers.filter(({ client }) => client.state === 'live'), [])
  const logged = [one, other].map(({ log }) => log.filter(({ level }) => level >= 40).length)
  t.ok(logged.every((lines) => lines < 60), `${logged.join(' and ')} lines are logged, and not one for every try of everybody`)

  await redis.start()
  const backAt = performance.now()
  await until(async () => (await one.storage.health()).ok && (await other.storage.health()).ok, 'both are well')
  await one.app.push.publish(ROOM, 'by the server meanwhile', { id: 'meanwhile' })
  await settled
  await until(() => comers.every(({ client }) => client.state === 'live'), 'whoever came meanwhile gets in')
  t.comment(`all as before ${Math.round(performance.now() - backAt)} ms after`)
  await other.app.push.publish(ROOM, 'after')
  await assertAllOnce(t, one, heard)
  await one.app.push.publish('room/more-49', 'hi')
  await until(() => rooms[49]?.data.length === 1, 'the other channels go on as well')
  await late.ready
  await one.app.push.publish('room/2', 'hi')
  await until(() => late.data.length === 1, 'who subscribed meanwhile is a subscriber now')

  t.same(clients.map(({ states }) => states.length), before, 'without a reconnect')
  for (const { app } of [one, other]) {
    const { members, connections, users } = await app.push.presence(ROOM)
    t.same([members.map(({ clientId }) => clientId).sort(), connections, users], [['alice', 'bob'], 2, 2])
    await until(async () => (await app.push.online(['alice', 'bob', 'comer-0', 'comer-19'])).length === 4, 'all are online')
  }
  t.same(watched.flatMap(({ left }) => left), [], 'nobody was seen to leave')
})

t.test('Redis hangs: publishes end as unknown and are stored once, and the app closes in bounded time', async (t) => {
  const { redis, hosts: [one, other], clients: [alice, bob], heard } = await startWorld(t)
  redis.signal('SIGSTOP')
  const settled = alice.client.channel(ROOM).publish('by a client meanwhile')
  const { code, id } = await outcomeOf(other.app.push.publish(ROOM, 'by the server meanwhile'))
  t.equal(code, 'PUSH_UNKNOWN')
  t.ok(id !== undefined)
  t.match(await one.storage.health(), { ok: false })
  await new Promise((resolve) => { setTimeout(resolve, 4000) })
  t.same([alice.client.state, bob.client.state], ['live', 'live'])
  redis.signal('SIGCONT')
  await until(async () => (await outcomeOf(other.app.push.publish(ROOM, 'by the server meanwhile', { id: id as string }))).code === 'ok', 'the retry goes through')
  await settled
  await one.app.push.publish(ROOM, 'after')
  await assertAllOnce(t, one, heard)

  redis.signal('SIGSTOP')
  const { code: closed } = await outcomeOf(Promise.all([one.app.close(), other.app.close()]))
  t.equal(closed, 'ok', 'the apps close although Redis hangs')
  redis.signal('SIGCONT')
})

t.test('no Redis at start: the app says so within the time', async (t) => {
  const { app } = await makeApp(t, await freePort())
  const none = await outcomeOf(app.ready().then(() => {}))
  t.equal(none.code, 'PUSH_STORAGE_UNAVAILABLE')
  await app.close()

  const redis = await RedisServer.start()
  t.teardown(() => redis.stop())
  redis.signal('SIGSTOP')
  const { app: hanging } = await makeApp(t, redis.port)
  const hung = await outcomeOf(hanging.ready().then(() => {}))
  t.equal(hung.code, 'PUSH_STORAGE_UNAVAILABLE', 'one that hangs is none')
  await hanging.close()
  redis.signal('SIGCONT')
})
