import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { resume } from '../../../lib/core/position.js'
import type { RedisStorageOptions } from '../../../lib/storage/redis/index.js'
import type { AppendOutcome, StorageAdapter } from '../../../types/storage.js'
import { RedisSentinels, type RedisServer } from '../../helpers/redis.js'
import { Flow } from './flow.js'
import { Reader } from './reader.js'
import { ALL, append, codeOf, draft, openStorage, ROOM, texts, troublesOf, until } from './world.js'

/** Sentinels, and storages on their master that compare nothing by themselves. All end with the test. */
class SentinelWorld {
  readonly #t: Test
  readonly sentinels: RedisSentinels
  /** What the hosts were told. */
  readonly errors: Error[] = []

  constructor (t: Test, sentinels: RedisSentinels) {
    this.#t = t
    this.sentinels = sentinels
  }

  static async start (t: Test): Promise<SentinelWorld> {
    const sentinels = await RedisSentinels.start()
    t.teardown(() => sentinels.stop())
    await sentinels.watch()
    return new SentinelWorld(t, sentinels)
  }

  /** A storage that follows the sentinels. It speaks with the first master past the link that may be cut. */
  async storage (options: Partial<RedisStorageOptions> = {}): Promise<StorageAdapter> {
    const { addresses, name, natMap } = this.sentinels
    const client = this.#kept(new Redis({ sentinels: addresses, name, natMap }))
    return await openStorage(this.#t, { client, compare: '1h', ...options }, this.errors)
  }

  /** Talks with one server. */
  server ({ port }: RedisServer): Redis {
    return this.#kept(new Redis({ port }))
  }

  /** Until the replica has all that the master has. */
  async replicated (): Promise<void> {
    const master = this.server(this.sentinels.master)
    await until(async () => await master.set('marker', '1') === 'OK' && await master.wait(1, 1000) === 1, 'the replica has everything')
  }

  /** From now on the master is alone: without its replica, and unseen by the sentinels. */
  part (): void {
    this.sentinels.link.stall('up')
    this.sentinels.link.stall('down')
  }

  async promoted (): Promise<void> {
    const replica = this.server(this.sentinels.replica)
    await until(async () => (await replica.info('replication')).includes('role:master'), 'the replica is the master')
  }

  #kept (client: Redis): Redis {
    client.on('error', () => {})
    this.#t.teardown(() => client.disconnect())
    return client
  }
}

const statuses = (outcomes: readonly AppendOutcome[]): string[] => outcomes.map(({ status }) => status)

for (const fault of ['killed', 'hanging', 'replaced by hand'] as const) {
  t.test(`the master is ${fault} under load: the replica takes over, and what is lost is announced`, async (t) => {
    const world = await SentinelWorld.start(t)
    const { master, sentinels: [sentinel] } = world.sentinels
    const [publishing, hearing] = [await world.storage(), await world.storage()]
    const reader = await Reader.start(hearing)
    const flow = new Flow(publishing)
    await until(() => flow.acknowledged.length > 50, 'it flows')
    const { epoch } = reader.position
    if (fault === 'killed') await master.kill()
    else if (fault === 'hanging') master.signal('SIGSTOP')
    else await world.server(sentinel as RedisServer).call('SENTINEL', 'FAILOVER', 'push')
    await world.promoted()
    const now = async (): Promise<string> => await publishing.log.read(ROOM, ALL).then((page) => page.epoch, () => epoch)
    await until(async () => await now() !== epoch, 'the storage follows')
    const since = flow.acknowledged.length
    await until(() => flow.acknowledged.length > since + 50, 'it flows again')
    await flow.stop()
    t.same(await flow.wrong('if announced'), [])
    t.same([...flow.failures.keys()].filter((code) => !/^PUSH_STORAGE_(UNKNOWN|UNAVAILABLE)$/.test(code)), [])
    const after = await publishing.log.read(ROOM, ALL)
    t.not(after.epoch, epoch)
    t.equal(after.continues?.[0]?.epoch, epoch, 'the log names the one that it continues')
    await until(async () => (await publishing.health()).ok && (await hearing.health()).ok, 'both say that they are well')
    await until(() => reader.position.epoch === after.epoch && reader.position.offset === after.head, 'the reader has come to the end by what it hears')
    t.match(reader.gaps, [{ reason: 'unverified' }], 'and was told once')
    const [outcome] = await append(publishing, draft('live'))
    t.match(outcome, { position: { epoch: after.epoch, offset: after.head + 1 } })
    await until(() => reader.heard.at(-1) === `${after.epoch} ${after.head + 1}`, 'it hears live again')
    const troubles = troublesOf(world.errors)
    t.ok(troubles.length <= 10, `the host was told ${world.errors.length} times: ${troubles.join('; ')}`)
    t.comment(`${fault}: the longest publish took ${flow.slowest.toFixed()} ms`)
    await Promise.all([publishing.close(), hearing.close()]) // whatever hangs
    master.signal('SIGCONT')
  })
}

t.test('the master dies with what its replica has not: the loss is announced, also once the log has grown beyond it; with durability it was never acknowledged', async (t) => {
  const world = await SentinelWorld.start(t)
  const storage = await world.storage()
  const durable = await world.storage({ durability: { replicas: 1, timeout: 300 } })
  const reader = await Reader.start(storage)
  t.same(statuses(await append(durable, draft('kept', 'kept'))), ['stored'])
  await world.replicated()
  world.part()
  t.same(statuses(await append(storage, draft('lost 1', 'lost 1'), draft('lost 2'))), ['stored', 'stored'])
  t.equal(await codeOf(append(durable, draft('unconfirmed', 'unconfirmed'))), 'PUSH_STORAGE_UNKNOWN')
  await until(() => reader.texts.length === 4, 'it was read already')
  const lost = reader.position
  await world.sentinels.master.kill()
  await world.promoted()
  await until(async () => await codeOf(append(storage, draft('lost 1', 'lost 1'))) === 'ok', 'the storage follows')
  const page = await storage.log.read(ROOM, ALL)
  t.same(page.continues, [{ epoch: lost.epoch, end: 1 }], 'the log says what it continues, and from where')
  t.same(texts(page), ['kept', 'lost 1'], 'what was lost with its id is no repeat')
  await append(storage, draft('new 1'), draft('new 2'), draft('new 3'))
  const grown = await storage.log.read(ROOM, ALL)
  t.ok(grown.head > lost.offset)
  t.match(resume(lost, grown), { position: { epoch: grown.epoch, offset: 1 }, gap: { reason: 'unverified' } }, 'whoever had read the lost ones goes back')
  await until(() => reader.position.offset === grown.head, 'the reader has come to the end')
  t.same(reader.texts, ['kept', 'lost 1', 'lost 2', 'unconfirmed', 'lost 1', 'new 1', 'new 2', 'new 3'])
  t.match(reader.gaps, [{ reason: 'unverified' }])
  await until(async () => await codeOf(append(durable, draft('unconfirmed', 'unconfirmed'))) === 'PUSH_STORAGE_UNKNOWN', 'the new master has no replica that could confirm it')
  t.same(texts(await storage.log.read(ROOM, ALL)).slice(-2), ['new 3', 'unconfirmed'])
})

t.test('two masters for a while: in the end there is one log, and what only the old side had is announced', async (t) => {
  const world = await SentinelWorld.start(t)
  const { master, replica, link } = world.sentinels
  const before = await world.storage()
  const reader = await Reader.start(before)
  await append(before, draft('both'))
  await world.replicated()
  world.part()
  t.same(statuses(await append(before, draft('old 1'), draft('old 2'))), ['stored', 'stored'], 'a master that is alone does not know it')
  await world.promoted()
  const after = await openStorage(t, { client: world.server(replica), compare: '1h' })
  t.same(statuses(await append(after, draft('new 1'), draft('new 2'), draft('new 3'))), ['stored', 'stored', 'stored'])
  const admin = world.server(master)
  await admin.config('SET', 'min-replicas-max-lag', '1', 'min-replicas-to-write', '1')
  await until(async () => await codeOf(append(before, draft('old', 'old'))) === 'PUSH_STORAGE_UNAVAILABLE', 'with min-replicas-to-write it refuses')
  t.same(texts(await before.log.read(ROOM, ALL)).slice(0, 3), ['both', 'old 1', 'old 2'], 'and goes on reading')
  t.same(texts(await after.log.read(ROOM, ALL)), ['both', 'new 1', 'new 2', 'new 3'])
  link.resume()
  await until(async () => await codeOf(append(before, draft('healed', 'healed'))) === 'ok', 'it follows to the new master')
  t.match(await append(after, draft('healed', 'healed')), [{ status: 'duplicate' }])
  const pages = await Promise.all([before, after].map((storage) => storage.log.read(ROOM, ALL)))
  t.same(pages.map(texts), Array(2).fill(['both', 'new 1', 'new 2', 'new 3', 'healed']))
  t.equal(pages[0]?.epoch, pages[1]?.epoch)
  await until(() => reader.texts.at(-1) === 'healed', 'the reader has come to the end')
  t.same(reader.texts.filter((text) => text !== 'old'), ['both', 'old 1', 'old 2', 'new 1', 'new 2', 'new 3', 'healed'])
  t.match(reader.gaps, [{ reason: 'unverified' }], 'it was told once that it had what is no more')
})
