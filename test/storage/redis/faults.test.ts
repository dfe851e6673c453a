import t from 'tap'
import { redisStorage, type RedisStorageOptions } from '../../../lib/storage/redis/index.js'
import type { AppendOutcome } from '../../../types/storage.js'
import { RedisServer } from '../../helpers/redis.js'
import { TcpProxy } from '../../helpers/tcp-proxy.js'
import { ALL, append, codeOf, draft, listen, ROOM, ROOMY, startWorld, texts, until, WINDOW } from './world.js'

/** What decides on a key's slot in Cluster: what is in its first braces. */
const tagOf = (key: string): string => /\{([^}]+)\}/.exec(key)?.[1] ?? key

t.test('scripts that Redis has forgotten are sent again', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  const admin = world.client()
  const outcomes: Array<Promise<readonly AppendOutcome[]>> = []
  for (let i = 0; i < 50; i++) {
    outcomes.push(append(storage, draft(`${i}`)))
    await admin.script('FLUSH')
  }
  const offsets = (await Promise.all(outcomes)).map(([outcome]) => outcome?.status === 'stored' ? outcome.position.offset : null)
  t.same(offsets, Array.from({ length: 50 }, (_, i) => i + 1), 'none fails, and the order stays')
})

t.test('connections that are killed: each operation settles, and under its id a message is stored once', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  const admin = world.client()
  await admin.ping()
  let unknown = 0
  for (let i = 0; i < 60; i++) {
    const done = codeOf(append(storage, draft(`${i}`, `id-${i}`)))
    if (i % 3 === 0) await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    if (await done === 'ok') continue
    unknown++
    await until(async () => await codeOf(append(storage, draft(`${i}`, `id-${i}`))) === 'ok', 'it goes through in the end')
  }
  t.same(texts(await storage.log.read(ROOM, ALL)), Array.from({ length: 60 }, (_, i) => `${i}`))
  t.comment(`${unknown} of 60 failed first`)
})

t.test('an answer that is lost after the script ran: unknown, and the same id is a duplicate', async (t) => {
  const world = await startWorld(t)
  const proxy = await TcpProxy.start(world.server.port)
  t.teardown(() => proxy.close())
  const storage = await world.storage({ client: world.client({ port: proxy.port }) })
  await append(storage, draft('first'))
  await storage.sessions.claim('warm', WINDOW) // its script is known
  proxy.stall('down')
  const lost = append(storage, draft('second', 'id'))
  const claim = codeOf(storage.sessions.claim('s', WINDOW))
  const direct = await world.storage()
  await until(async () => (await direct.log.read(ROOM, ALL)).head === 2, 'the script ran')
  t.equal(await codeOf(lost), 'PUSH_STORAGE_UNKNOWN')
  t.equal(await claim, 'PUSH_STORAGE_UNKNOWN', 'so is any other write')
  proxy.reset()
  proxy.resume()
  await until(async () => await codeOf(append(storage, draft('second', 'id'))) === 'ok', 'it is connected again')
  t.same(texts(await direct.log.read(ROOM, ALL)), ['first', 'second'])
})

t.test('a Redis that hangs: everything settles within the timeout, and closing too', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ timeout: 300 })
  await append(storage, draft('a'))
  world.server.signal('SIGSTOP')
  const began = performance.now()
  t.same(await Promise.all([
    codeOf(append(storage, draft('b', 'id'))),
    codeOf(storage.log.read(ROOM, ALL)),
    codeOf(storage.sessions.find('s')),
    codeOf(storage.cursors.commit(ROOM, [{ session: 's', generation: 1, number: 1, position: { epoch: 'e', offset: 1 }, ttl: WINDOW }])),
    codeOf(storage.feed.join('room/2', { records () {}, volatile () {}, interrupted () {} }))
  ]), ['PUSH_STORAGE_UNKNOWN', 'PUSH_STORAGE_UNAVAILABLE', 'PUSH_STORAGE_UNAVAILABLE', 'PUSH_STORAGE_UNKNOWN', 'PUSH_STORAGE_UNAVAILABLE'])
  t.equal((await storage.health()).ok, false)
  const pending = codeOf(storage.log.read(ROOM, ALL))
  await storage.close()
  t.equal(await pending, 'PUSH_STORAGE_CLOSED', 'what was asked for has settled')
  t.ok(performance.now() - began < 10_000, 'in bounded time')
  world.server.signal('SIGCONT')
})

t.test('a connection that only listens and is killed: it listens again and says that it may have missed something', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  const { heard } = await listen(storage)
  const admin = world.client()
  for (let round = 1; round <= 5; round++) {
    const before = heard.length
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await append(storage, draft('missed'))
    await until(() => heard.slice(before).includes('interrupted'), 'it says so')
    const [outcome] = await append(storage, draft('heard'))
    const offset = outcome?.status === 'stored' ? outcome.position.offset : 0
    await until(() => heard.includes(offset), 'it hears again')
  }
})

t.test('announcements that were lost without a sign are noticed when heads are compared', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ compare: 50 })
  const { heard } = await listen(storage)
  await append(storage, draft('a'))
  await until(() => heard.includes(1), 'it hears')
  const before = heard.length
  // What is appended to a copy of the log is announced under another prefix, which nobody hears.
  const quiet = await world.storage({ prefix: 'quiet' })
  const admin = world.client()
  for (const part of ['meta', 'log']) await admin.copy(`push:{room/1}:${part}`, `quiet:{room/1}:${part}`)
  t.match(await append(quiet, draft('b')), [{ status: 'stored', position: { offset: 2 } }])
  t.equal(heard.length, before, 'it does not hear that')
  await admin.multi().rename('quiet:{room/1}:meta', 'push:{room/1}:meta').rename('quiet:{room/1}:log', 'push:{room/1}:log').exec()
  await until(() => heard.length > before, 'it says so')
  t.same(heard.slice(before), ['interrupted'])
  t.same(texts(await storage.log.read(ROOM, ALL)), ['a', 'b'])
})

t.test('Redis is killed and comes back with its file: the log goes on, continuity is unverified', async (t) => {
  const world = await startWorld(t, '--appendonly', 'yes', '--appendfsync', 'always')
  const storage = await world.storage()
  const { heard } = await listen(storage)
  await append(storage, draft('a', 'id'), draft('b'))
  const before = await storage.log.read(ROOM, ALL)
  await storage.cursors.commit(ROOM, [{ session: 's', generation: 1, number: 1, position: { epoch: before.epoch, offset: 1 }, ttl: WINDOW }])
  await world.server.kill()
  t.match(await codeOf(append(storage, draft('c'))), /^PUSH_STORAGE_(UNAVAILABLE|UNKNOWN)$/)
  await world.server.start()
  await until(() => heard.includes('interrupted'), 'it says that it may have missed something')
  await until(async () => (await storage.health()).ok, 'both connections are back')
  const after = await storage.log.read(ROOM, ALL)
  t.not(after.epoch, before.epoch)
  t.same(after.continues, [{ epoch: before.epoch, end: 2 }])
  t.same([after.head, after.first, texts(after)], [2, 1, ['a', 'b']])
  t.same((await append(storage, draft('a', 'id'), draft('d'))).map(({ status }) => status), ['duplicate', 'stored'])
  t.same(await storage.cursors.load(ROOM, 's'), { epoch: before.epoch, offset: 1 })
  t.equal((await storage.log.read(ROOM, ALL)).epoch, after.epoch, 'once')
  await world.server.kill()
  await world.server.start()
  await until(async () => (await storage.health()).ok, 'both connections are back, again')
  t.same((await storage.log.read(ROOM, ALL)).continues, [{ epoch: after.epoch, end: 3 }, { epoch: before.epoch, end: 2 }], 'it remembers all that it continues')
})

t.test('Redis is killed and comes back with an old snapshot: what came after it is lost, and told', async (t) => {
  const world = await startWorld(t, '--dbfilename', 'dump.rdb')
  const storage = await world.storage()
  await append(storage, draft('a'), draft('b'))
  await world.client().call('SAVE')
  await append(storage, draft('c', 'lost'))
  const before = await storage.log.read(ROOM, ALL)
  await world.server.kill()
  await world.server.start()
  await until(async () => (await storage.health()).ok, 'both connections are back')
  t.match((await append(storage, draft('c', 'lost')))[0], { status: 'stored', position: { offset: 3 } }, 'what is lost is no repeat')
  const after = await storage.log.read(ROOM, ALL)
  t.same([after.continues, after.head], [[{ epoch: before.epoch, end: 2 }], 3])
})

t.test('Redis is killed and comes back empty: a log of another epoch, that continues nothing', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  const { heard } = await listen(storage)
  await append(storage, draft('a'))
  const { epoch } = await storage.log.read(ROOM, ALL)
  await world.server.kill()
  await world.server.start()
  await until(() => heard.includes('interrupted'), 'it says that it may have missed something')
  await until(async () => (await storage.health()).ok, 'both connections are back')
  const after = await storage.log.read(ROOM, ALL)
  t.not(after.epoch, epoch)
  t.same([after.continues, after.head], [undefined, 0])
})

t.test('data that somebody deletes: of that channel alone, and never silently', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  const admin = world.client()
  await append(storage, draft('a', 'id'), draft('b'))
  await storage.log.append('room/2', [draft('x')], ROOMY)
  const { epoch } = await storage.log.read(ROOM, ALL)
  await admin.del('push:{room/1}:log')
  t.match(await storage.log.read(ROOM, ALL), { epoch, head: 2, first: 3, records: [] }, 'the records: a gap of retention')
  t.match((await append(storage, draft('c')))[0], { status: 'stored', position: { epoch, offset: 3 } })
  await admin.del('push:{room/1}:meta')
  const after = await storage.log.read(ROOM, ALL)
  t.not(after.epoch, epoch, 'what is known of the log: another epoch')
  t.match(after, { head: 0, first: 1, records: [] })
  t.same((await append(storage, draft('a', 'id')))[0], { status: 'duplicate', position: null }, 'repeats of what was in it are still none to store')
  t.match(await storage.log.read('room/2', ALL), { head: 1, first: 1 })
  await admin.flushall()
  t.match(await storage.log.read('room/2', ALL), { head: 0 })
  t.equal(await codeOf(append(storage, draft('d'))), 'ok')
})

t.test('no memory left: refused, nothing changed, and reading goes on', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  const admin = world.client()
  await append(storage, draft('a'))
  await admin.config('SET', 'maxmemory', '1')
  t.equal(await codeOf(append(storage, draft('b'))), 'PUSH_STORAGE_FULL')
  t.equal(await codeOf(storage.sessions.claim('s', WINDOW)), 'ok', 'who comes back comes back')
  t.same(texts(await storage.log.read(ROOM, ALL)), ['a'])
  await admin.config('SET', 'maxmemory', '0')
  t.equal(await codeOf(append(storage, draft('c'))), 'ok')
  t.same(texts(await storage.log.read(ROOM, ALL)), ['a', 'c'])
})

t.test('a server that may drop data, or may not write them, is told of', async (t) => {
  const world = await startWorld(t, '--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru')
  const storage = await world.storage()
  t.match(world.warnings, [/allkeys-lru/])
  t.same(world.errors, [])
  const admin = world.client()
  await admin.replicaof('127.0.0.1', String(world.server.port + 1))
  t.equal(await codeOf(append(storage, draft('a'))), 'PUSH_STORAGE_UNAVAILABLE', 'READONLY')
})

t.test('durability: acknowledged when replicas have it, otherwise unknown', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ durability: { replicas: 1, timeout: 200 } })
  const patient = await world.storage({ timeout: 30_000, durability: { replicas: 1, timeout: 19_999.5 } })
  t.equal(await codeOf(append(storage, draft('a', 'id'))), 'PUSH_STORAGE_UNKNOWN', 'there is no replica')
  t.same(texts(await storage.log.read(ROOM, ALL)), ['a'], 'it happened all the same')
  t.match(await storage.health(), { ok: false, reason: /only 0 of 1/ })
  const replica = await RedisServer.start('--replicaof', `127.0.0.1 ${world.server.port}`)
  t.teardown(() => replica.stop())
  t.match(await append(patient, draft('a', 'id')), [{ status: 'duplicate' }], 'it has it, and the same id is a duplicate')
  t.equal(await codeOf(append(patient, draft('b'))), 'ok')
  t.same(await patient.health(), { ok: true })
  replica.signal('SIGSTOP')
  const late = codeOf(append(storage, draft('c')))
  t.equal(await codeOf(storage.sessions.claim('s', WINDOW)), 'ok', 'nothing else waits')
  t.equal(await late, 'PUSH_STORAGE_UNKNOWN')
  replica.signal('SIGCONT')
  t.same(texts(await storage.log.read(ROOM, ALL)), ['a', 'b', 'c'])
  for (const durability of [{ replicas: 0 }, { replicas: 1, timeout: '5s' }, 1]) {
    t.throws(() => redisStorage({ client: world.client(), durability } as unknown as RedisStorageOptions), { code: 'PUSH_OPTIONS' })
  }
})

t.test('durability without replicas: nothing waits in Redis for what was given up long ago', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ timeout: 500, durability: { replicas: 1, timeout: 200 } })
  const rooms = Array.from({ length: 20 }, (_, i) => `room/${i}`)
  const codes: Array<Promise<string>> = []
  for (const room of rooms) {
    codes.push(codeOf(storage.log.append(room, [draft('a')], ROOMY)))
    await new Promise((resolve) => { setTimeout(resolve, 5) }) // each in a turn of its own
  }
  t.same(new Set(await Promise.all(codes)), new Set(['PUSH_STORAGE_UNKNOWN']))
  await t.rejects(append(storage, draft('b')), { code: 'PUSH_STORAGE_UNKNOWN', message: /only 0 of 1/ })
  t.equal((await storage.log.read(ROOM, ALL)).head, 2, 'it did not queue behind what was given up')
})

t.test('more work than may wait is refused', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ inFlight: 10 })
  const codes = await Promise.all(Array.from({ length: 15 }, (_, i) => codeOf(storage.sessions.find(`s${i}`))))
  t.same(codes, [...Array<string>(10).fill('ok'), ...Array<string>(5).fill('PUSH_BUSY')])
  t.equal(await codeOf(storage.sessions.find('s')), 'ok')
})

t.test('prefixes keep services apart, the client\'s own keyPrefix too; the client is the host\'s', async (t) => {
  const world = await startWorld(t)
  const client = world.client({ keyPrefix: 'host:' })
  const [one, two, prefixed] = await Promise.all([world.storage(), world.storage({ prefix: 'other' }), world.storage({ client })])
  const ears = await Promise.all([one, two, prefixed].map((storage) => listen(storage)))
  for (const [i, storage] of [one, two, prefixed].entries()) {
    t.match(await append(storage, draft(`${i}`)), [{ position: { offset: 1 } }], 'its own log')
    await until(() => ears[i]?.heard.length === 1, 'its own listener hears')
  }
  t.same(ears.map(({ heard }) => heard), [[1], [1], [1]], 'and no other')
  const keys = await world.client().keys('*')
  t.ok(keys.every((key) => /^(push|other|host:push):/.test(key)))
  await prefixed.close()
  t.equal(await client.ping(), 'PONG', 'it was not closed')
})

t.test('without a server it does not open, in bounded time', async (t) => {
  const world = await startWorld(t)
  await world.server.kill()
  const storage = redisStorage({ client: world.client({ lazyConnect: true }), timeout: 300 })
  t.equal(await codeOf(storage.open({ onError: () => {} })), 'PUSH_STORAGE_UNAVAILABLE')
  await storage.close()
})

t.test('all keys of a channel are in one slot, whatever users are called', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  const member = { key: 'm', generation: 1, number: 1, node: 'n', user: 'a}{b', body: Buffer.from('m') }
  const events = { join: Buffer.from('j'), back: Buffer.from('b'), update: Buffer.from('u') }
  await storage.log.append(ROOM, [{ ...draft('a', '{x}'), publisher: { id: '{y}', sequence: 1, ttl: WINDOW } }], ROOMY)
  await storage.presence.enter(ROOM, member, { events, retention: ROOMY, remember: WINDOW })
  await storage.presence.leave(ROOM, { ...member, number: 2 }, { cause: 'leave', event: Buffer.from('l'), retention: ROOMY, remember: WINDOW, seen: WINDOW })
  await storage.cursors.commit(ROOM, [{ session: '}{z}', generation: 1, number: 1, position: { epoch: 'e', offset: 1 }, ttl: WINDOW }])
  const keys = await world.client().keys('push:{room/1}*')
  t.ok(keys.length >= 8, keys.join(' '))
  t.equal(new Set(keys.map(tagOf)).size, 1)
  for (const session of ['{room/1}', 'room/1}', 'room/1}{']) await storage.sessions.claim(session, WINDOW)
  t.notOk((await world.client().keys('push:session:*')).some((key) => tagOf(key) === 'room/1'), 'a session cannot choose its slot')
})

t.test('a log keeps its name for as long as a cursor is in it', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  const { epoch } = await storage.log.read(ROOM, ALL)
  const ttl = 86_400_000
  await storage.cursors.commit(ROOM, [{ session: 's', generation: 1, number: 1, position: { epoch, offset: 0 }, ttl }])
  await append(storage, draft('a'))
  t.ok(await world.client().pttl('push:{room/1}:meta') > ttl / 2)
})

t.test('bad options are refused', async (t) => {
  const world = await startWorld(t)
  const client = world.client()
  for (const options of [undefined, {}, { client: {} }, { client, prefix: 'a{b' }, { client, prefix: '' }, { client, timeout: 'soon' }, { client, timeout: '25d' }, { client, compare: '25d' }, { client, inFlight: 0 }]) {
    t.throws(() => redisStorage(options as RedisStorageOptions), { code: 'PUSH_OPTIONS' })
  }
})
