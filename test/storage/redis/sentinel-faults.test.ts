import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { RedisSentinels } from '../../helpers/redis.js'
import { ALL, append, draft, listen, openStorage, ROOM, until } from './world.js'
import { Flow } from './flow.js'

async function startSentinels (t: Test, ...args: string[]): Promise<{ readonly sentinels: RedisSentinels, readonly client: () => Redis }> {
  const sentinels = await RedisSentinels.start(...args)
  t.teardown(() => sentinels.stop())
  const client = (): Redis => {
    const made = new Redis({ sentinels: sentinels.addresses, name: sentinels.name })
    made.on('error', () => {})
    t.teardown(() => made.disconnect())
    return made
  }
  return { sentinels, client }
}

for (const fault of ['kill', 'hang'] as const) {
  t.test(`a master that is gone (${fault})`, async (t) => {
    const { sentinels, client } = await startSentinels(t)
    const errors: Error[] = []
    const storage = await openStorage(t, { client: client() }, errors)
    const other = await openStorage(t, { client: client() }, errors)
    const { heard } = await listen(other)
    const flow = new Flow(storage)
    await until(() => flow.acknowledged.length > 100, 'it flows')
    const before = await storage.log.read(ROOM, ALL)
    if (fault === 'kill') await sentinels.master.kill()
    else sentinels.master.signal('SIGSTOP')
    const had = flow.acknowledged.length
    const t0 = performance.now()
    await until(() => flow.acknowledged.length > had + 100, 'it flows again')
    t.comment(`again after ${performance.now() - t0}`)
    await flow.stop()
    t.same(await flow.wrong(), [])
    const after = await storage.log.read(ROOM, ALL)
    t.not(after.epoch, before.epoch)
    t.equal(after.continues?.[0]?.epoch, before.epoch)
    const [outcome] = await append(storage, draft('1000000'))
    await until(() => heard.at(-1) === (outcome as { position: { offset: number } }).position.offset, 'heard again')
    t.comment(JSON.stringify([...flow.failures]), flow.slowest, flow.acknowledged.length, errors.map(String))
    sentinels.master.signal('SIGCONT')
  })
}
