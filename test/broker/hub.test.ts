import t from 'tap'
import { Channels } from '../../lib/broker/channels.js'
import { Counters } from '../../lib/broker/counters.js'
import { Hub } from '../../lib/broker/hub.js'
import { Tick } from '../../lib/broker/tick.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { Page } from '../../types/storage.js'
import { overStorage, settled } from '../helpers/node.js'

const channels = new Channels(1000, { limit: 1000, bytes: 1024 * 1024, ttl: 1000 }, { online: true, grace: 15_000 })
channels.declare(':name')

async function makeHub () {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  await memory.open({ onError: () => {} })
  const control = { joins: 0, leaves: 0, fail: false, failLeave: false, reads: 0, failRead: false, reading: 0, most: 0, page: (page: Page): Page | Promise<Page> => page }
  const storage = overStorage(memory, {
    feed: (original) => ({
      async join (...args) {
        control.joins++
        if (control.fail) throw new Error('no feed')
        const leave = await original.join(...args)
        return async () => {
          control.leaves++
          if (control.failLeave) throw new Error('cannot leave')
          await leave()
        }
      }
    }),
    log: (original) => ({
      read: async (...args) => {
        control.reads++
        if (control.failRead) throw new Error('no log')
        control.most = Math.max(control.most, ++control.reading)
        try {
          return await control.page(await original.read(...args))
        } finally {
          control.reading--
        }
      }
    })
  })
  const errors: unknown[] = []
  const hub = new Hub({ feed: storage.feed, log: storage.log, clock, counters: new Counters(), tick: new Tick(setImmediate, (error) => { errors.push(error) }), pages: null, onError: (error) => { errors.push(error) } })
  return { hub, control, errors, clock, log: memory.log }
}

t.test('a feed is joined with the first follower and left with the last', async (t) => {
  const { hub, control, errors } = await makeHub()
  const one = await hub.join(channels.find('a'))
  const two = await hub.join(channels.find('a'))
  t.equal(one, two)
  t.equal(hub.find('a'), one)
  t.same([control.joins, hub.size], [1, 1])
  hub.leave(one)
  await settled()
  t.same([control.leaves, hub.size], [0, 1])
  hub.leave(two)
  await settled()
  t.same([control.leaves, hub.size], [1, 0])
  const three = await hub.join(channels.find('a'))
  t.not(three, one)
  t.same([control.joins, errors.length], [2, 0])
})

t.test('a join that fails fails for all who wait, and for nobody afterwards', async (t) => {
  const { hub, control } = await makeHub()
  control.fail = true
  const failed = await Promise.allSettled([hub.join(channels.find('a')), hub.join(channels.find('a'))])
  t.same(failed.map(({ status }) => status), ['rejected', 'rejected'])
  t.equal(hub.size, 0)
  control.fail = false
  await hub.join(channels.find('a'))
  t.equal(hub.size, 1)
})

t.test('a feed that cannot be left is reported', async (t) => {
  const { hub, control, errors } = await makeHub()
  control.failLeave = true
  hub.leave(await hub.join(channels.find('a')))
  await settled()
  t.match(errors, [{ message: 'cannot leave' }])
})

t.test('what a log was like a moment ago is read once for all, with what the topic has heard since', async (t) => {
  const { hub, control, clock, log } = await makeHub()
  const topic = await hub.join(channels.find('a'))
  const [one, two] = await Promise.all([topic.recent(), topic.recent()])
  t.same([one, one.head, control.reads], [two, 0, 1])
  await log.append('a', [{ body: Buffer.from('1'), qos: 1 }], { limit: 10, bytes: 1000, ttl: 1000 })
  clock.advance(499)
  t.same(await topic.recent(), { ...one, head: 1 })
  t.equal(control.reads, 1)
  clock.advance(1)
  t.match(await topic.recent(), { head: 1 })
  t.equal(control.reads, 2)
})

t.test('a state that could not be read is not kept', async (t) => {
  const { hub, control } = await makeHub()
  const topic = await hub.join(channels.find('a'))
  control.failRead = true
  await t.rejects(Promise.all([topic.recent(), topic.recent()]), { message: 'no log' })
  control.failRead = false
  t.match(await topic.recent(), { head: 0 })
  t.equal(control.reads, 2)
})

t.test('after an interruption of all feeds the heads are asked for so many at once, and not all together again where that failed', async (t) => {
  const { hub, control, clock, log, errors } = await makeHub()
  const all = Array.from({ length: 2000 }, (_, i) => channels.find(`c${i}`))
  for (const { name } of all) await log.append(name, [{ body: Buffer.from('1'), qos: 1 }], { limit: 10, bytes: 1000, ttl: 1000 })
  const topics = await Promise.all(all.map((channel) => hub.join(channel)))
  for (const topic of topics) topic.interrupted()
  while (topics.some(({ newest }) => newest === null)) await settled()
  t.same([control.reads, control.most], [2000, 500])
  t.ok(topics.every(({ newest }) => newest?.head === 1))
  control.failRead = true
  control.reads = 0
  for (const topic of topics) topic.interrupted()
  while (errors.length < 2000) await settled()
  t.equal(control.reads, 2000)
  control.failRead = false
  await clock.advanceAsync(499)
  t.equal(control.reads, 2000)
  for (let i = 1; i <= 10; i++) {
    await clock.advanceAsync(50)
    t.ok(Math.abs(control.reads - 2000 - i * 200) < 20, `${control.reads} after ${499 + i * 50} ms`)
  }
  await clock.advanceAsync(1)
  t.equal(control.reads, 4000)
})

t.test('what is interrupted while its head waits to be asked for is asked for once', async (t) => {
  const { hub, control } = await makeHub()
  const topics = await Promise.all(Array.from({ length: 501 }, (_, i) => hub.join(channels.find(`c${i}`))))
  for (const topic of topics) topic.interrupted()
  topics.at(-1)?.interrupted()
  while (topics.some(({ newest }) => newest === null)) await settled()
  await settled()
  t.equal(control.reads, 501)
})

t.test('another log that is heard of while the head of the one before is read is the newest', async (t) => {
  const { hub, control } = await makeHub()
  const topic = await hub.join(channels.find('a'))
  let arrive = (): void => {}
  control.page = async (page) => {
    await new Promise<void>((resolve) => { arrive = resolve })
    return page
  }
  topic.interrupted()
  await settled()
  control.page = (page) => ({ ...page, epoch: 'new', head: 1 })
  topic.hearHead('new', 1)
  arrive()
  await settled()
  t.same([topic.newest, control.reads], [{ epoch: 'new', head: 1 }, 2])
})

t.test('what a log is like now is read once for all who ask while it is being read, and holds what was appended before they asked', async (t) => {
  const { hub, control, log } = await makeHub()
  const topic = await hub.join(channels.find('a'))
  const append = () => log.append('a', [{ body: Buffer.from('1'), qos: 1 }], { limit: 10, bytes: 1000, ttl: 1000 })
  const first = topic.state()
  await append()
  const waiting = [topic.state(), topic.state(), topic.state()]
  t.equal((await first).head, 0)
  t.same((await Promise.all(waiting)).map(({ head }) => head), [1, 1, 1])
  t.equal(control.reads, 2)
  await append()
  t.equal((await topic.state()).head, 2)
  t.equal(control.reads, 3)
  control.failRead = true
  const failed = await Promise.allSettled([topic.state(), topic.state()])
  t.same(failed.map(({ status }) => status), ['rejected', 'rejected'])
  control.failRead = false
  t.equal((await topic.state()).head, 2)
})
