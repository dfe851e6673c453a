import t from 'tap'
import { memoryStorage, type MemoryStorage, type MemoryStorageOptions } from '../../lib/storage/memory/index.js'
import { Smallest } from '../../lib/storage/memory/smallest.js'
import { ManualClock, storageConformance } from '../../lib/testkit/index.js'
import type { Draft, FeedListener, Retention } from '../../types/storage.js'

const kitClock = new ManualClock()
storageConformance({
  test: (name, body) => t.test(name, async () => { await body() }),
  create: () => memoryStorage({ clock: kitClock }),
  advance: (ms) => kitClock.advance(ms)
})

const DAY = 86_400_000
const MINUTE = 60_000
const ROOMY: Retention = { limit: 1_000_000, bytes: 1_000_000, ttl: DAY }
const ALL = { from: 1, limit: 1_000_000, bytes: 1_000_000 }

async function opened (options: MemoryStorageOptions = {}): Promise<{ storage: MemoryStorage, clock: ManualClock, errors: Error[] }> {
  const clock = new ManualClock()
  const errors: Error[] = []
  const storage = memoryStorage({ clock, ...options })
  await storage.open({ onError: (error) => { errors.push(error) } })
  return { storage, clock, errors }
}

const sized = (bytes: number, more: Partial<Draft> = {}): Draft => ({ body: new Uint8Array(bytes), qos: 1, ...more })

t.test('the total bound takes the oldest record of the channel that holds the most', async (t) => {
  const { storage } = await opened({ bytes: 100 })
  await storage.log.append('big', [sized(30), sized(30)], ROOMY)
  await storage.log.append('small', [sized(20), sized(20)], ROOMY)
  t.same(storage.stats(), { channels: 2, records: 4, bytes: 100, evicted: 0, forgottenIds: 0 })
  await storage.log.append('new', [sized(10)], ROOMY)
  const first = async (name: string): Promise<number> => (await storage.log.read(name, ALL)).first
  t.same([await first('big'), await first('small'), await first('new')], [2, 1, 1], 'a loss by retention: first moves')
  await storage.log.append('new', [sized(90)], ROOMY)
  t.same([await first('big'), await first('small')], [3, 3])
  t.equal((await storage.log.read('new', ALL)).records.length, 2, 'only as much as is needed')
  t.same(storage.stats(), { channels: 3, records: 2, bytes: 100, evicted: 4, forgottenIds: 0 })
  await storage.close()
})

t.test('what was just appended is never what goes', async (t) => {
  const { storage } = await opened({ bytes: 100 })
  await storage.log.append('a', [sized(60)], ROOMY)
  await storage.log.append('b', [sized(90)], ROOMY)
  t.equal((await storage.log.read('a', ALL)).records.length, 0)
  t.equal((await storage.log.read('b', ALL)).records.length, 1)
  await t.rejects(storage.log.append('b', [sized(101)], ROOMY), { code: 'PUSH_STORAGE_FULL' })
  t.equal(storage.stats().bytes, 90)
  await storage.close()
})

t.test('the total of records is bounded too, also of empty bodies', async (t) => {
  const { storage } = await opened({ records: 3 })
  await storage.log.append('a', [sized(0), sized(0)], ROOMY)
  await storage.log.append('b', [sized(0), sized(0)], ROOMY)
  t.match(storage.stats(), { records: 3, evicted: 1 })
  t.equal((await storage.log.read('a', ALL)).first, 2)
  await storage.close()
})

t.test('the totals agree with the channels, whatever happens (seeded)', async (t) => {
  const { storage, clock } = await opened({ bytes: 2000, records: 60 })
  let state = 42
  const below = (limit: number): number => { state = (state * 48271) % 2147483647; return state % limit }
  const names = Array.from({ length: 12 }, (_, i) => `room/${i}`)
  for (let step = 0; step < 2000; step++) {
    const more = below(4) === 0 ? { ttl: 1 + below(5000) } : {}
    const retention = { limit: 1 + below(20), bytes: 200 + below(800), ttl: 500 + below(20_000) }
    await storage.log.append(names[below(12)] as string, [sized(below(200), more), sized(below(50))], retention)
    if (below(5) === 0) clock.advance(below(1000))
    const { bytes, records } = storage.stats()
    if (bytes > 2000 || records > 60) t.fail(`step ${step}: ${bytes} bytes, ${records} records`)
  }
  const pages = await Promise.all(names.map((name) => storage.log.read(name, ALL)))
  const { bytes, records } = storage.stats()
  t.equal(records, pages.reduce((sum, page) => sum + page.records.length, 0))
  t.equal(bytes, pages.flatMap((page) => page.records).reduce((sum, { body }) => sum + (body?.byteLength ?? 0), 0))
  await storage.close()
})

t.test('the sweep drops what has had its time, and then the channel', async (t) => {
  const { storage, clock } = await opened({ idle: 10 * MINUTE })
  const retention = { ...ROOMY, ttl: MINUTE }
  await storage.log.append('room/1', [sized(5, { id: { id: 'i', fingerprint: 'f', ttl: MINUTE } })], retention)
  await storage.log.append('room/2', [sized(5, { publisher: { id: 'p', sequence: 1, ttl: MINUTE } }), sized(7, { ttl: 1000 })], ROOMY)
  await storage.cursors.commit('room/3', [{ session: 's', generation: 1, number: 1, position: { epoch: 'e', offset: 1 }, ttl: MINUTE }])
  const release = await storage.feed.join('room/4', { records () {}, volatile () {}, interrupted () {} })
  const { epoch } = await storage.log.read('room/1', ALL)
  t.match(storage.stats(), { channels: 4, records: 3, bytes: 17 })
  clock.advance(2 * MINUTE)
  t.match(storage.stats(), { channels: 4, records: 2, bytes: 5 }, 'expired records and bodies are gone; channels asked for lately stay')
  t.equal((await storage.log.read('room/1', ALL)).epoch, epoch)
  clock.advance(12 * MINUTE)
  t.match(storage.stats(), { channels: 2 }, 'one still has records, one a listener')
  await release()
  clock.advance(2 * DAY)
  t.match(storage.stats(), { channels: 0, records: 0, bytes: 0 })
  t.not((await storage.log.read('room/1', ALL)).epoch, epoch, 'a log made anew has a new epoch')
  await storage.close()
})

t.test('a live cursor, id or publisher keeps the log', async (t) => {
  const { storage, clock } = await opened({ idle: MINUTE })
  const keys: Array<Partial<Draft>> = [{ id: { id: 'i', fingerprint: 'f', ttl: DAY } }, { publisher: { id: 'p', sequence: 1, ttl: DAY } }]
  for (const [i, key] of keys.entries()) await storage.log.append(`room/${i}`, [sized(1, key)], { ...ROOMY, ttl: 1000 })
  await storage.log.append('room/2', [sized(1)], { ...ROOMY, ttl: 1000 })
  await storage.cursors.commit('room/2', [{ session: 's', generation: 1, number: 1, position: { epoch: 'e', offset: 1 }, ttl: DAY }])
  clock.advance(10 * MINUTE)
  t.match(storage.stats(), { channels: 3, records: 0 })
  clock.advance(DAY)
  t.match(storage.stats(), { channels: 0 })
  await storage.close()
})

t.test('the sweep does a bounded piece of work at a time, and all of it in time', async (t) => {
  const { storage, clock } = await opened({ idle: 1 })
  for (let i = 0; i < 25_000; i++) await storage.log.read(`room/${i}`, { from: 1, limit: 0, bytes: 0 })
  clock.advance(1000)
  t.equal(storage.stats().channels, 15_000)
  clock.advance(2000)
  t.equal(storage.stats().channels, 0)
  await storage.close()
})

t.test('ids beyond the limit are forgotten, the oldest first, and counted', async (t) => {
  const { storage, clock } = await opened({ idLimit: 3, publisherLimit: 2 })
  const id = (name: string, ttl = DAY): Draft => sized(1, { id: { id: name, fingerprint: 'f', ttl } })
  await storage.log.append('a', ['1', '2', '3', '4'].map((name) => id(name)), ROOMY)
  const known = async (name: string): Promise<boolean> => await storage.log.recognise('a', id(name)) !== null
  t.same([await known('1'), await known('2'), await known('4')], [false, true, true])
  t.equal(storage.stats().forgottenIds, 1)
  await storage.log.append('b', ['1', '2', '3'].map((name) => id(name, 1000)), ROOMY)
  clock.advance(1000)
  await storage.log.append('b', [id('4')], ROOMY)
  t.equal(storage.stats().forgottenIds, 1, 'what has expired is not counted')
  const by = (name: string, sequence: number): Draft => sized(1, { publisher: { id: name, sequence, ttl: DAY } })
  await storage.log.append('c', [by('p', 1), by('q', 1)], ROOMY)
  clock.advance(1001) // the order of age is kept to a second
  await storage.log.append('c', [by('p', 2), by('r', 1)], ROOMY)
  t.same(await storage.log.recognise('c', by('q', 1)), null, 'the publisher silent for longest is forgotten')
  t.match(await storage.log.recognise('c', by('p', 2)), { status: 'duplicate' })
  t.equal(storage.stats().forgottenIds, 2)
  await storage.close()
})

t.test('a listener that throws disturbs nobody, and the host hears of it', async (t) => {
  const { storage, errors } = await opened()
  const heard: number[] = []
  const quiet: FeedListener = { records (batch) { heard.push(batch.from) }, volatile () { heard.push(0) }, interrupted () {} }
  const loud: FeedListener = { records () { throw new Error('records') }, volatile () { throw new Error('volatile') }, interrupted () {} }
  await storage.feed.join('a', loud)
  await storage.feed.join('a', quiet)
  storage.sessions.watch(() => { throw new Error('watch') })
  t.match(await storage.log.append('a', [sized(1)], ROOMY), [{ status: 'stored' }])
  await storage.feed.broadcast('a', [new Uint8Array(1)])
  t.match(await storage.sessions.claim('s', DAY), { generation: Number })
  t.same(heard, [1, 0])
  t.same(errors.map((error) => (error.cause as Error).message), ['records', 'volatile', 'watch'])
  await storage.close()
})

t.test('what a listener causes is heard afterwards, in one order by all, within the append', async (t) => {
  const { storage } = await opened()
  const heard: string[] = []
  const listen = (name: string, then?: () => void): FeedListener => ({
    records (batch) { heard.push(`${name} ${batch.from}`); if (batch.from === 1) then?.() },
    volatile () {},
    interrupted () {}
  })
  let nested: Promise<unknown> | undefined
  await storage.feed.join('a', listen('x', () => { nested = storage.log.append('a', [sized(1)], ROOMY) }))
  await storage.feed.join('a', listen('y'))
  const appended = storage.log.append('a', [sized(1)], ROOMY)
  t.same(heard, ['x 1', 'y 1', 'x 2', 'y 2'], 'before the promise has resolved')
  await Promise.all([appended, nested])
  await storage.close()
})

t.test('members count in the total, of which they may have half, and are never what goes', async (t) => {
  const { storage, clock } = await opened({ bytes: 1200 })
  const member = (key: string, bytes: number) => ({ key, generation: 1, number: 1, node: 'n', user: null, body: new Uint8Array(bytes) })
  const events = { join: new Uint8Array(1), back: new Uint8Array(1), update: new Uint8Array(1) }
  const enter = (key: string, bytes: number) => storage.presence.enter('room', member(key, bytes), { events, retention: ROOMY, remember: MINUTE })
  const leave = (key: string) => storage.presence.leave('room', { ...member(key, 0), number: 2 }, { cause: 'leave', event: new Uint8Array(1), retention: ROOMY, remember: MINUTE, seen: MINUTE })
  await storage.log.append('log', [sized(500), sized(500)], ROOMY)
  await enter('a', 100)
  t.match(storage.stats(), { bytes: 128 + 100 + 1 + 500, evicted: 1 })
  await enter('a', 50)
  t.match(storage.stats(), { bytes: 128 + 50 + 2 + 500 })
  await t.rejects(enter('b', 300), { code: 'PUSH_STORAGE_FULL' })
  await t.rejects(storage.log.append('log', [sized(1100)], ROOMY), { code: 'PUSH_STORAGE_FULL' })
  t.match(storage.stats(), { bytes: 128 + 50 + 2 + 500, evicted: 1 }, 'a refusal changes nothing')
  await enter('b', 250)
  t.match(storage.stats(), { bytes: 128 + 50 + 128 + 250 + 3 + 500, evicted: 1 })
  for (const key of ['a', 'b']) await leave(key)
  t.match(storage.stats(), { bytes: 5 + 500 })
  clock.advance(2 * DAY)
  t.match(storage.stats(), { channels: 0, bytes: 0 }, 'nothing is left of them')
  t.equal(await storage.presence.lastSeen('room'), null)
  await storage.close()
})

t.test('to ask who is there, and to leave where nobody was, makes no logs', async (t) => {
  const { storage, clock } = await opened()
  const { presence } = storage
  const query = { after: null, limit: 0, bytes: 0 }
  const { position } = await presence.list('room', query)
  t.same(await presence.counts(['room', 'other']), [0, 0])
  t.equal(storage.stats().channels, 0)
  await presence.leave('room', { key: 'k', generation: 1, number: 1 }, { cause: 'leave', event: new Uint8Array(1), retention: ROOMY, remember: MINUTE, seen: 0 })
  t.equal(storage.stats().channels, 1, 'that it has left is remembered')
  const page = await presence.list('room', { ...query, limit: 1 })
  t.not(page.position.epoch, position.epoch)
  t.same((await presence.list('room', query)).position, page.position, 'of a log that is there it is its own')
  clock.advance(DAY)
  t.equal(storage.stats().channels, 0)
  await storage.close()
})

t.test('the smallest of many', (t) => {
  const all = Array.from({ length: 500 }, (_, i) => String((i * 7919) % 1009))
  for (const limit of [1, 7, 499, 500, 900]) {
    const smallest = new Smallest(limit)
    for (const each of all) smallest.add(each)
    t.same(smallest.sorted, [...all].sort().slice(0, limit))
  }
  t.end()
})

t.test('a small view does not keep a large buffer alive', async (t) => {
  const { storage } = await opened()
  const large = new Uint8Array(1_000_000).fill(7)
  await storage.log.append('a', [{ body: large.subarray(5, 8), qos: 1 }], ROOMY)
  const { records } = await storage.log.read('a', ALL)
  t.same([...records[0]?.body ?? []], [7, 7, 7])
  t.equal(records[0]?.body?.buffer.byteLength, 3)
  await storage.close()
})

t.test('generations go on where the process begins anew, by the time of day', async (t) => {
  const before = memoryStorage({ clock: new ManualClock(1_000_000) })
  const after = memoryStorage({ clock: new ManualClock(1_001_000) })
  await before.open({ onError () {} })
  await after.open({ onError () {} })
  t.ok((await after.sessions.claim('s', DAY)).generation > (await before.sessions.claim('s', DAY)).generation)
  await before.close()
  await after.close()
})

t.test('claims of all sessions are told in the order in which they were made', async (t) => {
  const { storage } = await opened()
  const heard: string[] = []
  const made: string[] = []
  storage.sessions.watch((session, generation) => { heard.push(`${session} ${generation}`) })
  for (const session of ['a', 'b', 'a', 'c', 'b']) made.push(`${session} ${(await storage.sessions.claim(session, DAY)).generation}`)
  t.same(heard, made)
  await storage.close()
})

t.test('one timer while it is open, none afterwards; nothing is kept', async (t) => {
  const { storage, clock } = await opened()
  t.equal(clock.pending, 1)
  await storage.log.append('a', [sized(1)], ROOMY)
  clock.advance(MINUTE)
  t.equal(clock.pending, 1)
  await storage.close()
  t.equal(clock.pending, 0)
  t.same(storage.stats(), { channels: 0, records: 0, bytes: 0, evicted: 0, forgottenIds: 0 })
  await t.rejects(storage.open({ onError () {} }), { code: 'PUSH_STORAGE_CLOSED' })
  const unopened = memoryStorage({ clock })
  const opening = unopened.open({ onError () {} })
  await unopened.close()
  await t.rejects(opening, { code: 'PUSH_STORAGE_CLOSED' })
  t.equal(clock.pending, 0)
})

t.test('works on the machine\'s clock by default', async (t) => {
  const storage = memoryStorage()
  await storage.open({ onError () {} })
  t.match(await storage.log.append('a', [sized(1)], ROOMY), [{ status: 'stored' }])
  t.same(storage.supports, { durable: false, shared: false, certain: true })
  await storage.close()
})

t.test('a bound that is no positive integer is refused', async (t) => {
  for (const options of [{ bytes: 0 }, { records: -1 }, { idLimit: 1.5 }, { idle: Number.NaN }, { publisherLimit: Infinity }]) {
    t.throws(() => memoryStorage(options), { code: 'PUSH_OPTIONS' })
  }
})
