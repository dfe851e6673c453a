import t from 'tap'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { HistoryOptions, HistoryPage } from '../../types/push.js'
import { openNode, overStorage } from '../helpers/node.js'

const room = 'room/1'
const numbers = ({ messages }: HistoryPage) => messages.map(({ data }) => data)

async function filled (count = 10) {
  const node = await openNode({ limits: { historyPage: 100 } })
  for (let i = 1; i <= count; i++) await node.broker.publish(room, i)
  const { head } = await node.broker.history(room)
  const at = (offset: number) => ({ epoch: head.epoch, offset })
  return { ...node, at, read: (options?: HistoryOptions) => node.broker.history(room, options) }
}

t.test('[P-6.1] the newest, in the order of the log or reversed', async (t) => {
  const { read, at } = await filled()
  t.same(numbers(await read({ limit: 3 })), [8, 9, 10])
  t.same(numbers(await read({ limit: 3, reverse: true })), [10, 9, 8])
  t.same(numbers(await read()), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  t.match(await read({ limit: 3 }), { next: null, head: at(10) })
  t.same(numbers(await read({ limit: 3, before: at(5) })), [2, 3, 4])
  t.same(numbers(await read({ after: at(2), before: at(6), reverse: true, limit: 2 })), [5, 4])
  t.same(numbers(await read({ before: at(1) })), [])
  t.same(numbers(await read({ before: at(0) })), [])
  t.same(numbers(await read({ after: at(10) })), [])
  t.same(numbers(await read({ after: at(99) })), [])
  t.same(numbers(await read({ before: at(99), limit: 1 })), [10])
})

t.test('[P-6.2] paging both ways gives every message once', async (t) => {
  const { read, at, broker, clock } = await filled(5)
  for (let i = 0; i < 4; i++) await broker.publish(room, 'short', { ttl: '1s' })
  for (let i = 6; i <= 12; i++) await broker.publish(room, i)
  await clock.advanceAsync(1001)
  for (const limit of [1, 2, 3, 5, 12, 50]) {
    const forward: unknown[] = []
    for (let next: HistoryPage['next'] = at(0); next !== null;) {
      const page: HistoryPage = await read({ after: next, limit })
      t.ok(page.messages.length <= limit)
      forward.push(...numbers(page))
      next = page.next
    }
    t.same(forward, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], `forward by ${limit}`)
    const backward: unknown[] = []
    for (let page = await read({ reverse: true, limit }); ; page = await read({ reverse: true, limit, before: page.next as { epoch: string, offset: number } })) {
      backward.push(...numbers(page))
      if (page.next === null) break
    }
    t.same(backward, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1], `backward by ${limit}`)
  }
})

t.test('pages cut short by bytes are joined', async (t) => {
  const { broker } = await openNode()
  const text = 'x'.repeat(300_000)
  for (let i = 0; i < 8; i++) await broker.publish(room, { i, text })
  t.equal((await broker.history(room)).messages.length, 8)
})

t.test('the limit is bounded', async (t) => {
  const { broker } = await openNode({ limits: { historyPage: 3 } })
  for (let i = 1; i <= 5; i++) await broker.publish(room, i)
  t.same(numbers(await broker.history(room, { limit: 1e9 })), [3, 4, 5])
  for (const limit of [0, -1, 1.5, NaN, '5']) await t.rejects(broker.history(room, { limit } as HistoryOptions), { code: 'PUSH_INVALID' })
})

t.test('[P-6.2] positions of another log are refused, of the log before translated', async (t) => {
  const { read, broker } = await filled(3)
  for (const position of [{ epoch: 'foreign', offset: 1 }, { epoch: '', offset: 1 }, { epoch: 'e', offset: -1 }, { epoch: 'e', offset: 1.5 }, null, 'x']) {
    await t.rejects(read({ after: position } as HistoryOptions), { code: 'PUSH_INVALID' })
    await t.rejects(read({ before: position } as HistoryOptions), { code: 'PUSH_INVALID' })
  }
  await t.rejects(broker.history('nowhere'), { code: 'PUSH_CHANNEL_UNKNOWN' })
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), { log: (original) => ({ read: async (...args) => ({ ...await original.read(...args), continues: [{ epoch: 'before', end: 1 }] }) }) })
  const node = await openNode({ clock, storage })
  for (let i = 1; i <= 3; i++) await node.broker.publish(room, i)
  t.same(numbers(await node.broker.history(room, { after: { epoch: 'before', offset: 9 } })), [2, 3])
})

t.test('a log that ends before its head says so ends the page', async (t) => {
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), { log: (original) => ({ read: async (...args) => ({ ...await original.read(...args), head: 100 }) }) })
  const { broker } = await openNode({ clock, storage })
  await broker.publish(room, 1)
  t.same(numbers(await broker.history(room, { limit: 100 })), [1])
})

t.test('the server may read a channel that clients may not', async (t) => {
  const { broker } = await openNode()
  await broker.publish('news', 1)
  t.same(numbers(await broker.history('news')), [1])
})
