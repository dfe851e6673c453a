import { Cluster, Redis, type NatMap } from 'ioredis'
import t, { type Test } from 'tap'
import type { RedisStorageOptions } from '../../../lib/storage/redis/index.js'
import { slotOf } from '../../../lib/storage/redis/slot.js'
import type { StorageAdapter } from '../../../types/storage.js'
import { RedisCluster, type RedisServer } from '../../helpers/redis.js'
import { TcpProxy } from '../../helpers/tcp-proxy.js'
import { Flow } from './flow.js'
import { Reader } from './reader.js'
import { ALL, append, codeOf, draft, openStorage, ROOM, ROOMY, texts, troublesOf, until } from './world.js'

/** Slots that move from one master to another: the first ones. */
const MOVED = 400

/** A Cluster, and storages on it that compare nothing by themselves: what they hear is what they are told. All end with the test. */
class ClusterWorld {
  readonly #t: Test
  readonly cluster: RedisCluster
  /** What the hosts were told. */
  readonly errors: Error[] = []
  readonly warnings: string[] = []

  constructor (t: Test, cluster: RedisCluster) {
    this.#t = t
    this.cluster = cluster
  }

  static async start (t: Test, ...args: string[]): Promise<ClusterWorld> {
    const cluster = await RedisCluster.start(...args)
    t.teardown(() => cluster.stop())
    await cluster.watch()
    return new ClusterWorld(t, cluster)
  }

  /** The masters at the beginning. */
  get masters (): [RedisServer, RedisServer, RedisServer] {
    return this.cluster.nodes.slice(0, 3) as [RedisServer, RedisServer, RedisServer]
  }

  async storage (options: Partial<RedisStorageOptions> = {}, natMap: NatMap = {}): Promise<StorageAdapter> {
    const client = new Cluster(this.cluster.addresses, { natMap })
    client.on('error', () => {})
    this.#t.teardown(() => client.disconnect())
    return await openStorage(this.#t, { client, compare: '1h', ...options }, this.errors, this.warnings)
  }

  /** Talks with one server. */
  server ({ port }: RedisServer): Redis {
    const client = new Redis({ port })
    client.on('error', () => {})
    this.#t.teardown(() => client.disconnect())
    return client
  }

  /** A replica of a master. */
  async replicaOf (master: RedisServer): Promise<RedisServer> {
    const [, port] = /slave0:.*?port=(\d+)/.exec(await this.server(master).info('replication')) ?? []
    return this.cluster.nodes.find((node) => node.port === Number(port)) as RedisServer
  }
}

/** Channels whose slots are in a range. */
function roomsIn (from: number, to: number, count: number): string[] {
  const rooms: string[] = []
  for (let i = 0; rooms.length < count; i++) {
    const slot = slotOf(`push:{room/${i}}`)
    if (slot >= from && slot < to) rooms.push(`room/${i}`)
  }
  return rooms
}

const stand = (flows: readonly Flow[]): number[] => flows.map(({ acknowledged }) => acknowledged.length)
const flowed = (flows: readonly Flow[], since: readonly number[]): boolean => flows.every(({ acknowledged }, i) => acknowledged.length > (since[i] ?? 0) + 50)

// Has a replica take its master's place. Redis gives that up after five seconds where the two do not agree in time; then it is asked again.
async function replace (world: ClusterWorld, master: RedisServer): Promise<void> {
  const replica = world.server(await world.replicaOf(master))
  let asked = -Infinity
  await until(async () => {
    if ((await replica.info('replication')).includes('role:master')) return true
    if (performance.now() - asked > 6000) {
      asked = performance.now()
      await replica.cluster('FAILOVER')
    }
    return false
  }, 'the replica is the master')
}

/** All readers come to the end by what they hear, and then hear live what is appended. */
async function assertHearing (t: Test, storage: StorageAdapter, readers: ReadonlyMap<string, Reader>): Promise<void> {
  for (const [room, reader] of readers) {
    const { epoch, head } = await storage.log.read(room, ALL)
    await until(() => reader.position.epoch === epoch && reader.position.offset === head, `the reader of ${room} has come to the end`)
    const [outcome] = await storage.log.append(room, [draft('1000000')], ROOMY)
    t.match(outcome, { status: 'stored', position: { epoch, offset: head + 1 } })
    await until(() => reader.heard.at(-1) === `${epoch} ${head + 1}`, `the reader of ${room} hears it`)
  }
}

for (const fault of ['killed', 'hanging', 'replaced by hand'] as const) {
  t.test(`a master is ${fault} under load: all channels come back, what is lost is announced, and subscriptions follow to the new master`, async (t) => {
    // Other masters go on then, and do not say that one is missing.
    const world = await ClusterWorld.start(t, '--cluster-require-full-coverage', fault === 'hanging' ? 'no' : 'yes')
    const [publishing, hearing] = [await world.storage(), await world.storage()]
    const rooms = [...roomsIn(0, 5461, 4), ...roomsIn(5461, 16384, 4)]
    const readers = new Map<string, Reader>()
    for (const room of rooms) readers.set(room, await Reader.start(hearing, room))
    const flows = rooms.map((room) => new Flow(publishing, room))
    await until(() => flowed(flows, []), 'it flows')
    const [lost] = world.masters
    if (fault === 'killed') await lost.kill()
    else if (fault === 'hanging') lost.signal('SIGSTOP')
    else await replace(world, lost)
    const since = stand(flows)
    await until(() => flowed(flows, since), 'it flows again')
    await Promise.all(flows.map((flow) => flow.stop()))
    for (const flow of flows) {
      t.same(await flow.wrong(fault === 'replaced by hand' ? 'nothing' : 'if announced'), [], flow.channel)
      t.same([...flow.failures.keys()].filter((code) => !/^PUSH_STORAGE_(UNKNOWN|UNAVAILABLE)$/.test(code)), [])
    }
    await until(async () => (await publishing.health()).ok && (await hearing.health()).ok, 'both say that they are well')
    await assertHearing(t, publishing, readers)
    for (const [i, room] of rooms.entries()) {
      const { texts, gaps } = readers.get(room) as Reader
      t.equal(gaps.length, i < 4 ? 1 : 0, 'who reads what the lost master had is told that continuity is unverified, once, and nobody else')
      const got = new Set(texts)
      t.ok(gaps.length > 0 || flows[i]?.acknowledged.every(({ text }) => got.has(text)), 'everything, or a gap')
    }
    const troubles = troublesOf(world.errors)
    t.ok(troubles.length <= 10, `the host was told ${world.errors.length} times: ${troubles.join('; ')}`)
    t.comment(`${fault}: the longest publish took ${Math.max(...flows.map(({ slowest }) => slowest)).toFixed()} ms`)
    await Promise.all([publishing.close(), hearing.close()]) // whatever hangs
    lost.signal('SIGCONT')
  })
}

t.test('slots move to another master under load: nothing is lost, and subscriptions follow', async (t) => {
  const world = await ClusterWorld.start(t)
  const [publishing, hearing] = [await world.storage(), await world.storage()]
  const rooms = roomsIn(0, MOVED, 4)
  const readers = new Map<string, Reader>()
  for (const room of rooms) readers.set(room, await Reader.start(hearing, room))
  const flows = rooms.map((room) => new Flow(publishing, room))
  await until(() => flowed(flows, []), 'it flows')
  const [from, to] = world.masters
  await world.cluster.reshard(from, to, MOVED)
  const since = stand(flows)
  await until(() => flowed(flows, since), 'it flows on')
  await Promise.all(flows.map((flow) => flow.stop()))
  for (const flow of flows) {
    t.same(await flow.wrong('nothing'), [], flow.channel)
    t.same([...flow.failures.keys()].filter((code) => code !== 'PUSH_STORAGE_UNAVAILABLE'), [], 'what was refused was not done')
  }
  for (const key of ['a', '{a}b', '{}a', '{', 'a{b}{c}', 'a{{b}}', 'push:{räume/1}:log', '']) t.equal(slotOf(key), await world.server(to).cluster('KEYSLOT', key), key)
  t.equal(await world.server(to).exists(`push:{${rooms[0]}}:log`), 1, 'they did move')
  await assertHearing(t, publishing, readers)
  for (const [room, { texts, gaps }] of readers) {
    const expected = flows.find(({ channel }) => channel === room)?.acknowledged.map(({ text }) => text)
    t.same(texts.slice(0, expected?.length), expected, 'all, once and in order')
    t.match(gaps, [{ reason: 'unverified' }], 'another server has the log now, and cannot know that it has all of it')
  }
  t.comment(`the longest publish took ${Math.max(...flows.map(({ slowest }) => slowest)).toFixed()} ms`)
})

t.test('a connection to a master is lost after the script ran: unknown, and nothing is sent again', async (t) => {
  const world = await ClusterWorld.start(t)
  const proxies = new Map<string, TcpProxy>()
  for (const { port } of world.cluster.nodes) proxies.set(`127.0.0.1:${port}`, await TcpProxy.start(port))
  t.teardown(() => Promise.all([...proxies.values()].map((proxy) => proxy.close())))
  const storage = await world.storage({}, Object.fromEntries([...proxies].map(([server, { port }]) => [server, { host: '127.0.0.1', port }])))
  const direct = await world.storage()
  await append(storage, draft('first'))
  for (const proxy of proxies.values()) proxy.stall('down')
  const lost = codeOf(append(storage, draft('second')))
  await until(async () => (await direct.log.read(ROOM, ALL)).head === 2, 'the script ran')
  for (const proxy of proxies.values()) proxy.reset()
  t.equal(await lost, 'PUSH_STORAGE_UNKNOWN')
  for (const proxy of proxies.values()) proxy.resume()
  await until(async () => await codeOf(append(storage, draft('third'))) === 'ok', 'it is connected again')
  const found = texts(await direct.log.read(ROOM, ALL))
  t.equal(found.filter((text) => text === 'second').length, 1)
})

t.test('a master that may drop data is told of, whichever it is', async (t) => {
  const world = await ClusterWorld.start(t)
  for (const master of world.masters) {
    const admin = world.server(master)
    await admin.config('SET', 'maxmemory', '100mb')
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
    await world.storage()
    t.match(world.warnings.splice(0), [/allkeys-lru/])
    await admin.config('SET', 'maxmemory-policy', 'noeviction')
  }
  await world.storage()
  t.same([world.warnings, world.errors], [[], []])
})

t.test('durability: each master is asked for its own replicas', async (t) => {
  const world = await ClusterWorld.start(t)
  const storage = await world.storage({ durability: { replicas: 1, timeout: 300 } })
  const rooms = world.masters.map((_, i) => roomsIn(5462 * i, 5462 * (i + 1) - 3, 1)[0] ?? '')
  const publish = (text: string): Promise<string[]> => Promise.all(rooms.map((room) => codeOf(storage.log.append(room, [draft(text, text)], ROOMY))))
  await until(async () => (await publish('first')).every((code) => code === 'ok'), 'all replicas answer')
  const [master] = world.masters
  const replica = await world.replicaOf(master)
  replica.signal('SIGSTOP')
  t.same(await publish('second'), ['PUSH_STORAGE_UNKNOWN', 'ok', 'ok'], 'only where the replica hangs')
  replica.signal('SIGCONT')
  await until(async () => (await publish('second')).every((code) => code === 'ok'), 'the same once more')
  for (const room of rooms) t.same(texts(await storage.log.read(room, ALL)), ['first', 'second'], 'each is there once')
  await master.kill()
  const head = async (): Promise<number> => await storage.log.read(rooms[0] ?? '', ALL).then((page) => page.head, () => 0)
  await until(async () => (await publish('third'))[0] === 'PUSH_STORAGE_UNKNOWN' && await head() === 3, 'the new master has it, alone')
  t.match(await storage.log.append(rooms[1] ?? '', [draft('third', 'third')], ROOMY), [{ status: 'duplicate' }])
})
