import { Redis } from 'ioredis'
import { readdirSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { redisStorage } from '../../../lib/storage/redis/index.js'
import { RedisServer } from '../../helpers/redis.js'
import { Flow } from './flow.js'
import { Reader } from './reader.js'
import { ALL, append, codeOf, draft, openStorage, ROOM, startWorld, texts, troublesOf, until } from './world.js'

/** How often a server was asked for something. */
async function callsOf (admin: Redis, command: string): Promise<number> {
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await admin.info('commandstats'))?.[1] ?? 0)
}

async function connectionsOf (admin: Redis): Promise<number> {
  return Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1])
}

t.test('a replica that only reads: each operation is refused with a code and why, and nothing is tried again and again', async (t) => {
  const world = await startWorld(t)
  const replica = await RedisServer.start('--replicaof', `127.0.0.1 ${world.server.port}`)
  t.teardown(() => replica.stop())
  const admin = world.client({ port: replica.port })
  await until(async () => (await admin.info('replication')).includes('master_link_status:up'), 'it is a replica')
  const storage = await openStorage(t, { client: world.client({ port: replica.port }) }, world.errors)
  const [connections, calls] = [await connectionsOf(admin), await callsOf(admin, 'evalsha')]
  for (let i = 0; i < 20; i++) {
    await t.rejects(append(storage, draft('a', 'id')), { code: 'PUSH_STORAGE_UNAVAILABLE', cause: { message: /^READONLY/ } })
  }
  t.equal(await codeOf(storage.log.read(ROOM, ALL)), 'PUSH_STORAGE_UNAVAILABLE')
  t.match(await storage.health(), { ok: false, reason: /READONLY/ })
  t.equal(await connectionsOf(admin), connections)
  t.ok(await callsOf(admin, 'evalsha') - calls <= 24, 'a read that wants a new log is one more')
  t.match(world.errors, [])
  await admin.replicaof('NO', 'ONE')
  t.equal(await codeOf(append(storage, draft('a', 'id'))), 'ok', 'it is the master now')
})

t.test('Redis loads a large file after a restart: operations are refused meanwhile, and all goes on by itself', async (t) => {
  const world = await startWorld(t, '--appendonly', 'yes', '--appendfsync', 'always', '--key-load-delay', '50', '--loading-process-events-interval-bytes', '1024')
  const storage = await world.storage()
  const reader = await Reader.start(storage)
  const flow = new Flow(storage)
  await until(() => flow.acknowledged.length > 20, 'it flows')
  const admin = world.client()
  await admin.eval('for i = 1, 20000 do redis.call("SET", "filler:" .. i, i) end', 0)
  await world.server.kill()
  await world.server.start()
  const probe = new Redis({ port: world.server.port, enableReadyCheck: false })
  t.teardown(() => probe.disconnect())
  await t.rejects(probe.get('filler:1'), /^LOADING/)
  t.equal((await storage.health()).ok, false)
  const late = redisStorage({ client: world.client(), timeout: 100 })
  t.equal(await codeOf(late.open({ onError: () => {} })), 'PUSH_STORAGE_UNAVAILABLE', 'who comes now is told in time')
  await late.close()
  const since = flow.acknowledged.length
  await until(() => flow.acknowledged.length > since + 20, 'it flows again')
  await flow.stop()
  t.same(await flow.wrong('nothing'), [])
  t.same([...flow.failures.keys()].filter((code) => !/^PUSH_STORAGE_(UNKNOWN|UNAVAILABLE)$/.test(code)), [])
  await until(() => reader.texts.length === flow.acknowledged.length, 'the reader has it all')
  t.match(reader.gaps, [{ reason: 'unverified' }])
  t.ok(troublesOf(world.errors).length <= 10)
})

t.test('writes are paused: what fits into the timeout is late, what does not is unknown and stored once, and what is too much is refused', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ inFlight: 50 })
  const admin = world.client()
  await admin.call('CLIENT', 'PAUSE', '300', 'WRITE')
  const began = performance.now()
  t.same(await Promise.all(Array.from({ length: 60 }, (_, i) => codeOf(append(storage, draft(`${i}`, `${i}`))))), [...Array<string>(50).fill('ok'), ...Array<string>(10).fill('PUSH_BUSY')])
  t.ok(performance.now() - began >= 250)
  await admin.call('CLIENT', 'PAUSE', '3000', 'WRITE')
  t.equal(await codeOf(append(storage, draft('late', 'late'))), 'PUSH_STORAGE_UNKNOWN')
  await admin.call('CLIENT', 'UNPAUSE')
  await until(async () => await codeOf(append(storage, draft('late', 'late'))) === 'ok', 'it answers again')
  t.same(texts(await storage.log.read(ROOM, ALL)), [...Array.from({ length: 50 }, (_, i) => `${i}`), 'late'])
})

t.test('more than goes at once while Redis hangs: what is not under way is refused in time, and not done', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ timeout: 300 })
  await append(storage, draft('first'))
  world.server.signal('SIGSTOP')
  const codes = await Promise.all(Array.from({ length: 4000 }, (_, i) => codeOf(append(storage, draft(`${i}`)))))
  t.same(new Set(codes), new Set(['PUSH_STORAGE_UNKNOWN', 'PUSH_STORAGE_UNAVAILABLE']))
  world.server.signal('SIGCONT')
  await until(async () => (await storage.health()).ok, 'it answers again')
  const found = new Set(texts(await storage.log.read(ROOM, ALL)))
  t.same(codes.filter((code, i) => code === 'PUSH_STORAGE_UNAVAILABLE' && found.has(`${i}`)), [])
})

t.test('a script of somebody else that does not end: refused as long as it runs', async (t) => {
  const world = await startWorld(t, '--lua-time-limit', '50')
  const storage = await world.storage()
  await append(storage, draft('a'))
  const [other, admin] = [world.client(), world.client()]
  await Promise.all([other.ping(), admin.ping()])
  const endless = other.eval('while true do end', 0).catch(() => {})
  await until(async () => await admin.ping().then(() => false, (error: Error) => error.message.startsWith('BUSY')), 'it runs')
  await t.rejects(append(storage, draft('b', 'b')), { code: 'PUSH_STORAGE_UNAVAILABLE', cause: { message: /^BUSY/ } })
  t.equal((await storage.health()).ok, false)
  await admin.script('KILL')
  await endless
  await until(async () => await codeOf(append(storage, draft('b', 'b'))) === 'ok', 'it answers again')
  t.same(texts(await storage.log.read(ROOM, ALL)), ['a', 'b'])
})

t.test('a node that Redis cuts off because it does not keep up: it hears again and reads what it missed', async (t) => {
  const world = await startWorld(t)
  const admin = world.client()
  const [publishing, hearing] = [await world.storage(), await world.storage({ compare: '1h' })]
  const reader = await Reader.start(hearing)
  const before = await connectionsOf(admin)
  await admin.config('SET', 'client-output-buffer-limit', 'pubsub 100kb 0 0')
  for (let i = 0; i < 3; i++) {
    const large = `${i}`.repeat(200_000)
    await append(publishing, draft('before'), draft(large), draft('after'))
    const { head } = await publishing.log.read(ROOM, ALL)
    await until(() => reader.position.offset === head, 'the reader has it all')
    t.equal(reader.texts.at(-2), large)
  }
  t.ok(await connectionsOf(admin) - before >= 3, 'it was cut off')
  t.same(reader.gaps, [])
})

t.test('a user that may not: told why, not well, no flood of attempts, and all goes on when it may', async (t) => {
  const world = await startWorld(t)
  const admin = world.client()
  await admin.call('ACL', 'SETUSER', 'push', 'on', '>secret', '~*', '&*', '+@all')
  const wrong = redisStorage({ client: world.client({ username: 'push', password: 'wrong', lazyConnect: true }), timeout: 500 })
  const told: Error[] = []
  t.equal(await codeOf(wrong.open({ onError: (error) => { told.push(error) } })), 'PUSH_STORAGE_UNAVAILABLE')
  t.match(told[0], { code: 'PUSH_STORAGE_UNAVAILABLE', message: /WRONGPASS/ })
  await wrong.close()

  const storage = await openStorage(t, { client: world.client({ username: 'push', password: 'secret' }), compare: '1h' }, world.errors)
  const reader = await Reader.start(storage)
  await append(storage, draft('a'))
  await admin.call('ACL', 'SETUSER', 'push', '-evalsha', '-eval')
  await t.rejects(append(storage, draft('b', 'b')), { code: 'PUSH_STORAGE_UNAVAILABLE', cause: { message: /^NOPERM/ } }, 'a right is taken')
  t.match(await storage.health(), { ok: false, reason: /NOPERM/ })
  await admin.call('ACL', 'SETUSER', 'push', '+@all')
  t.equal(await codeOf(append(storage, draft('b', 'b'))), 'ok')

  await admin.call('ACL', 'SETUSER', 'push', 'off')
  await admin.call('CLIENT', 'KILL', 'USER', 'push')
  const before = await connectionsOf(admin)
  const began = performance.now()
  await until(() => world.errors.some(({ message }) => message.includes('WRONGPASS')), 'the host is told')
  await until(() => performance.now() - began > 2000, 'some time has passed')
  t.equal((await storage.health()).ok, false)
  const attempts = await connectionsOf(admin) - before
  t.ok(attempts <= 2 * 15, `${attempts} attempts of two connections in two seconds`)
  await admin.call('ACL', 'SETUSER', 'push', 'on')
  await until(async () => (await storage.health()).ok, 'it is well again')
  t.equal(await codeOf(append(storage, draft('c'))), 'ok')
  await until(() => reader.texts.length === 3, 'the reader hears')
  t.same(reader.texts, ['a', 'b', 'c'])
})

t.test('a user that may not ask for replicas: what was stored is unknown, not refused', async (t) => {
  const world = await startWorld(t)
  const admin = world.client()
  await admin.call('ACL', 'SETUSER', 'push', 'on', '>secret', '~*', '&*', '+@all', '-wait')
  const storage = await world.storage({ client: world.client({ username: 'push', password: 'secret' }), durability: { replicas: 1, timeout: 100 } })
  await t.rejects(append(storage, draft('a', 'a')), { code: 'PUSH_STORAGE_UNKNOWN', cause: { message: /^NOPERM/ } })
  t.same(texts(await storage.log.read(ROOM, ALL)), ['a'])
})

t.test('a file whose end is missing: what is lost with it is announced', async (t) => {
  const world = await startWorld(t, '--appendonly', 'yes', '--appendfsync', 'always')
  const storage = await world.storage()
  const reader = await Reader.start(storage)
  for (let i = 1; i <= 10; i++) await append(storage, draft(`${i}`, `${i}`))
  await until(() => reader.texts.length === 10, 'the reader has it all')
  const { epoch } = reader.position
  const folder = String((await world.client().config('GET', 'dir') as string[])[1])
  await world.server.kill()
  const file = join(folder, 'appendonlydir', readdirSync(join(folder, 'appendonlydir')).find((name) => name.endsWith('.incr.aof')) ?? '')
  truncateSync(file, readFileSync(file).lastIndexOf('XADD') + 10) // in the midst of what the last append did
  await world.server.start()
  await until(async () => await codeOf(append(storage, draft('10', '10'))) === 'ok', 'it goes on')
  const page = await storage.log.read(ROOM, ALL)
  t.same(page.continues, [{ epoch, end: 9 }], 'the last one was lost as a whole')
  t.same(texts(page), Array.from({ length: 10 }, (_, i) => `${i + 1}`), 'and the same id is no repeat')
  await append(storage, draft('11'))
  await until(() => reader.texts.at(-1) === '11', 'the reader has come to the end')
  t.same(reader.texts.slice(-3), ['10', '10', '11'])
  t.match(reader.gaps, [{ reason: 'unverified' }])
})
