import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { RedisCluster } from '../../helpers/redis.js'
import { draft, listen, openStorage, ROOMY, until } from './world.js'
import { Flow } from './flow.js'
import { setTimeout as sleep } from 'node:timers/promises'

async function startCluster (t: Test, ...args: string[]): Promise<{ readonly cluster: RedisCluster, readonly client: () => Cluster }> {
  const cluster = await RedisCluster.start(...args)
  t.teardown(() => cluster.stop())
  const client = (): Cluster => {
    const made = new Cluster(cluster.addresses)
    made.on('error', () => {})
    t.teardown(() => made.disconnect())
    return made
  }
  return { cluster, client }
}

for (const fault of ['kill', 'hang'] as const) {
  t.test(`a master that is gone (${fault})`, async (t) => {
    const { cluster, client } = await startCluster(t)
    const errors: Error[] = []
    const storage = await openStorage(t, { client: client() }, errors)
    const other = await openStorage(t, { client: client() }, errors)
    const rooms = Array.from({ length: 12 }, (_, i) => `room/${i}`)
    const ears = new Map<string, Awaited<ReturnType<typeof listen>>>()
    for (const room of rooms) ears.set(room, await listen(other, room))
    const flows = rooms.map((room) => new Flow(storage, room))
    await until(() => flows.every((flow) => flow.acknowledged.length > 100), 'it flows')
    if (fault === 'kill') await cluster.nodes[0]?.kill()
    else cluster.nodes[0]?.signal('SIGSTOP')
    const had = flows.map((flow) => flow.acknowledged.length)
    const t0 = performance.now()
    await until(() => flows.every((flow, i) => flow.acknowledged.length > (had[i] as number) + 100), 'it flows again')
    t.comment(`again after ${performance.now() - t0}`)
    await Promise.all(flows.map((flow) => flow.stop()))
    for (const flow of flows) t.same(await flow.wrong(), [])
    t.comment(errors.length, [...new Set(errors.map(String))])
    t.comment(flows.map((flow) => `${flow.slowest.toFixed()} ${JSON.stringify([...flow.failures])}`))
    await sleep(2000)
    for (const room of rooms) {
      const [outcome] = await storage.log.append(room, [draft('1000000')], ROOMY)
      await until(() => ears.get(room)?.heard.at(-1) === (outcome as { position: { offset: number } }).position.offset, `${room} heard again`).catch((error: unknown) => t.fail(String(error)))
    }
  })
}
