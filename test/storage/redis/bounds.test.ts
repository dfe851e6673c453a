import { Redis } from 'ioredis'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { redisStorage } from '../../../lib/storage/redis/index.js'
import { entering, leaving, member, roster } from '../../../lib/testkit/conformance/members.js'
import { ALL, append, codeOf, draft, listen, ROOM, ROOMY, startWorld, texts, until, WINDOW } from './world.js'

// What is bounded stays bounded, and what Redis, its keys or the host's client do that they should not do stays where it is.

const TALL = { ...ALL, bytes: 256 * 1024 }

t.test('no key stays for ever but those of members', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  await append(storage, draft('a', 'id'))
  await storage.log.read('read', ALL)
  await storage.log.recognise('refused', { publisher: { id: 'p', sequence: 1, ttl: WINDOW }, id: { id: 'i', fingerprint: 'f', ttl: WINDOW } })
  await storage.cursors.commit(ROOM, [{ session: 's', generation: 1, number: 1, position: { epoch: 'e', offset: 1 }, ttl: WINDOW }])
  await storage.sessions.claim('s', WINDOW)
  await storage.presence.enter(ROOM, member('m', 2, 1), entering)
  t.equal((await storage.presence.enter(ROOM, member('m', 1, 1), entering)).change, 'fenced')
  await storage.presence.leave('left', member('m', 1, 1), leaving('leave'))
  t.equal((await storage.presence.enter('left', member('m', 1, 1), entering)).change, 'fenced')
  t.equal(await codeOf(storage.presence.enter('small', member('m', 1, 1), { ...entering, retention: { ...ROOMY, bytes: 1 } })), 'PUSH_STORAGE_FULL')
  const admin = world.client()
  const keys = await admin.keys('*')
  const immortal: string[] = []
  for (const key of keys) if (await admin.pttl(key) < 0) immortal.push(key)
  t.same(immortal.sort(), ['push:leases', 'push:node:{node}', 'push:{room/1}:holders', 'push:{room/1}:members', 'push:{room/1}:order', 'push:{room/1}:users'])
  t.same(keys.filter((key) => key.includes('refused')), [], 'what was refused left nothing')
})

t.test('cursors: however many are written at once, and none that have had their time pile up', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ timeout: 20_000 })
  const position = { epoch: 'e', offset: 1 }
  const commits = Array.from({ length: 30_000 }, (_, i) => ({ session: `s${i}`, generation: 1, number: 1, position, ttl: WINDOW }))
  t.same(new Set(await storage.cursors.commit(ROOM, commits)), new Set(['committed']))
  t.same(await storage.cursors.load(ROOM, 's29999'), position)
  const admin = world.client()
  for (let round = 0; round < 50; round++) {
    await storage.cursors.commit('room/2', Array.from({ length: 100 }, (_, i) => ({ session: `${round}-${i}`, generation: 1, number: 1, position, ttl: 1 })))
    await sleep(2)
  }
  const left = await admin.hlen('push:{room/2}:cursors')
  t.ok(left < 500, `${left} of 5000 are left`)
})

t.test('ids of a host that all begin alike do not pile up in one key', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ timeout: 20_000 })
  const ids = Array.from({ length: 1000 }, (_, i) => `begin-alike-${i + 10_000_000}`)
  const drafts = ids.map((id) => draft('a', id))
  for (const expected of ['stored', 'duplicate']) t.same(new Set((await append(storage, ...drafts)).map(({ status }) => status)), new Set([expected]))
  const size = await world.client().strlen('push:{room/1}:ids:begin-alike-')
  t.ok(size > 0 && size < 10_000, `${size} bytes`)
})

t.test('no memory left: who is there stays, and who comes back comes back', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  await storage.presence.renew('node', WINDOW)
  await storage.presence.enter(ROOM, member('m', 1, 1), entering)
  const { generation } = await storage.sessions.claim('s', WINDOW)
  await world.client().config('SET', 'maxmemory', '1')
  t.equal(await storage.presence.renew('node', WINDOW), true)
  t.equal(await storage.sessions.touch('s', generation, WINDOW), true)
  t.ok((await storage.sessions.claim('s', WINDOW)).generation > generation)
  t.same(await storage.cursors.commit(ROOM, [{ session: 's', generation, number: 1, position: { epoch: 'e', offset: 1 }, ttl: WINDOW }]), ['committed'])
  t.same((await roster(storage)).members, ['m m'])
  t.equal(await codeOf(storage.presence.enter(ROOM, member('n', 1, 1), entering)), 'PUSH_STORAGE_FULL')
})

t.test('a Redis that may not write: reading and resuming go on', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  const [stored] = await append(storage, draft('a'))
  const { position } = stored as { position: { epoch: string, offset: number } }
  await storage.cursors.commit(ROOM, [{ session: 's', generation: 1, number: 1, position, ttl: WINDOW }])
  await storage.presence.enter(ROOM, member('m', 1, 1, { user: 'alice' }), entering)
  const members = await roster(storage)
  await world.client().config('SET', 'min-replicas-to-write', '1')
  t.same(await roster(storage), members)
  t.match(await storage.presence.list('nowhere', { ...ALL_MEMBERS, limit: 0 }), { connections: 0, users: 0 })
  t.equal(await codeOf(append(storage, draft('b'))), 'PUSH_STORAGE_UNAVAILABLE')
  t.same(texts(await storage.log.read(ROOM, ALL)), ['a'])
  t.same(await storage.cursors.load(ROOM, 's'), position)
  t.equal(await storage.sessions.find('s'), null)
  t.match(await storage.health(), { ok: false, reason: /NOREPLICAS/ })
})

t.test('parts of a channel\'s members are deleted by hand: nobody is a member, the log begins anew, and all go on', async (t) => {
  const world = await startWorld(t)
  const admin = world.client()
  for (const [part, user] of [['members', null], ['order', null], ['holders', null], ['users', null], ['users', 'alice']] as const) {
    const prefix = `${part}-${user}`
    const storage = await world.storage({ prefix })
    await storage.presence.enter(ROOM, member('m', 1, 1, { user }), entering)
    await storage.presence.enter('room/2', member('m', 1, 1), entering)
    const { position } = await storage.presence.list(ROOM, ALL_MEMBERS)
    await admin.del(`${prefix}:{room/1}:${part}`)
    await storage.presence.renew('node', 1)
    await until(async () => (await storage.presence.orphans(10)).some(({ channel }) => channel === 'room/2'), 'those of other channels are found')
    const after = await storage.presence.list(ROOM, ALL_MEMBERS)
    t.same([after.members, after.connections], [[], 0])
    t.not(after.position.epoch, position.epoch)
    t.equal((await storage.presence.enter(ROOM, member('m', 1, 1, { user }), entering)).change, 'join', 'and entered anew')
    t.match(await roster(storage), { members: ['m m'], users: user === null ? 0 : 1 })
  }
})

const ALL_MEMBERS = { after: null, limit: 100, bytes: 100_000 }

t.test('a channel that cannot be read hides no orphans of others, nor what others missed', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ compare: 30 })
  const admin = world.client()
  for (const channel of ['bad', 'good']) await storage.presence.enter(channel, member('m', 1, 1), entering)
  await admin.del('push:{bad}:holders')
  await admin.set('push:{bad}:holders', 'of another type')
  await storage.presence.renew('node', 1)
  await until(async () => (await storage.presence.orphans(10)).map(({ channel }) => channel).join() === 'good', 'the others are found')
  await admin.del('push:{good}:holders')
  await admin.set('push:{good}:holders', 'of another type')
  t.equal(await codeOf(storage.presence.orphans(10)), 'PUSH_STORAGE_UNAVAILABLE', 'where there is no other, it says so')
  const [, { heard }] = [await listen(storage, 'unreadable'), await listen(storage)]
  await append(storage, draft('a'))
  await until(() => heard.includes(1), 'it hears')
  await admin.set('push:{unreadable}:meta', 'of another type')
  await admin.hset('push:{room/1}:meta', 'h', 5)
  await until(() => heard.at(-1) === 'interrupted', 'heads of others are compared')
})

t.test('a Redis that hangs while much is published: all settles in time, what cannot wait is refused, and what was not sent is known not to be stored', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ timeout: 300, inFlight: 2000 })
  await append(storage, draft('first'))
  world.server.signal('SIGSTOP')
  const began = performance.now()
  const times: number[] = []
  const codes = await Promise.all(Array.from({ length: 3000 }, async (_, i) => {
    const code = await codeOf(append(storage, draft(`${i}`)))
    times.push(performance.now() - began)
    return code
  }))
  const count = (code: string): number => codes.filter((each) => each === code).length
  t.equal(count('PUSH_BUSY'), 1000)
  t.ok(count('PUSH_STORAGE_UNKNOWN') > 0 && count('PUSH_STORAGE_UNAVAILABLE') > 0)
  t.equal(count('PUSH_BUSY') + count('PUSH_STORAGE_UNKNOWN') + count('PUSH_STORAGE_UNAVAILABLE'), 3000)
  t.ok(Math.max(...times) < 5000, 'and not one after the other')
  world.server.signal('SIGCONT')
  await until(async () => (await storage.health()).ok, 'it is back')
  const stored = texts(await storage.log.read(ROOM, ALL)).slice(1)
  t.same(stored.filter((text) => codes[Number(text)] === 'PUSH_STORAGE_UNAVAILABLE'), [])
})

t.test('many long reads at once are all answered, and other work does not stand behind them', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ timeout: 30_000 })
  const large = Array.from({ length: 64 }, () => ({ body: Buffer.alloc(4096, 'x'), qos: 1 as const }))
  const channels = Array.from({ length: 200 }, (_, i) => `large/${i}`)
  await Promise.all(channels.map((channel) => storage.log.append(channel, large, ROOMY)))
  let answered = 0
  const reads = channels.map(async (channel) => {
    const { records } = await storage.log.read(channel, TALL)
    answered++
    return records.length
  })
  await new Promise(setImmediate)
  await storage.sessions.find('s')
  const before = answered
  t.same(new Set(await Promise.all(reads)), new Set([64]))
  t.ok(before < 100, `${before} of 200 went before it`)
})

t.test('durability: a repeat is acknowledged only when replicas have it', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage({ durability: { replicas: 1, timeout: 50 } })
  t.equal(await codeOf(append(storage, draft('a', 'id'))), 'PUSH_STORAGE_UNKNOWN')
  t.equal(await codeOf(storage.log.recognise(ROOM, { id: { id: 'id', fingerprint: 'f', ttl: WINDOW } })), 'PUSH_STORAGE_UNKNOWN')
})

t.test('what the host has chosen for its client changes nothing here', async (t) => {
  const world = await startWorld(t)
  const client = new Redis({ port: world.server.port, stringNumbers: true, commandTimeout: 1, enableAutoPipelining: true, reconnectOnError: () => 2 })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  const storage = await world.storage({ client })
  t.match(await append(storage, draft('a', 'id')), [{ status: 'stored', position: { offset: 1 } }])
  t.match(await append(storage, draft('a', 'id')), [{ status: 'duplicate', position: { offset: 1 } }])
  const { generation } = await storage.sessions.claim('s', WINDOW)
  t.equal(await storage.sessions.touch('s', generation, WINDOW), true)
  await world.client().client('PAUSE', 100)
  t.equal(await codeOf(append(storage, draft('b'))), 'ok', 'the timeout is its own')
})

t.test('a subscription that is refused is told of, and tried again after longer and longer pauses', async (t) => {
  const world = await startWorld(t)
  const admin = world.client()
  await admin.call('ACL', 'SETUSER', 'node', 'on', '>secret', '~*', '+@all', '&*')
  const storage = await world.storage({ client: world.client({ username: 'node', password: 'secret' }) })
  await listen(storage)
  await admin.call('ACL', 'SETUSER', 'node', 'resetchannels', '&push:claims')
  await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await until(() => world.errors.some(({ message }) => message.includes('NOPERM')), 'the host is told')
  const connections = async (): Promise<number> => Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1])
  const before = await connections()
  await sleep(1000)
  const made = await connections() - before
  t.ok(made < 10, `${made} connections in a second`)
  t.match(await storage.health(), { ok: false })
  await admin.call('ACL', 'SETUSER', 'node', '&*')
  await until(async () => (await storage.health()).ok, 'it goes on once it may')
})

t.test('what is no announcement is told of, and heard by nobody', async (t) => {
  const world = await startWorld(t)
  const storage = await world.storage()
  const { heard } = await listen(storage)
  const admin = world.client()
  const record = Buffer.concat([Buffer.from([0, 0, 0, 9, 1]), Buffer.from('short')])
  for (const bytes of [Buffer.from('hello'), Buffer.from('R'), Buffer.from('Repoch\n'), Buffer.from('Repoch -1\n'), Buffer.concat([Buffer.from('Repoch 1\n'), record]), Buffer.concat([Buffer.from('V'), record])]) {
    const before = world.errors.length
    await admin.publish('push:{room/1}:feed', bytes)
    await until(() => world.errors.length > before, 'the host is told')
  }
  t.same(heard.filter((each) => each !== 'interrupted'), [])
})

t.test('a Redis that may not be asked which one it is does not open', async (t) => {
  const world = await startWorld(t)
  const admin = world.client()
  await admin.call('ACL', 'SETUSER', 'node', 'on', '>secret', '~*', '+@all', '-info', '&*')
  const storage = redisStorage({ client: world.client({ username: 'node', password: 'secret' }), timeout: 1000 })
  t.teardown(() => storage.close())
  await t.rejects(storage.open({ onError: () => {} }), { code: 'PUSH_STORAGE_UNAVAILABLE', cause: { message: /NOPERM/ } })
})
