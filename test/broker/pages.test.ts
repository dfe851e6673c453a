import t from 'tap'
import { Pages, type PageQuery } from '../../lib/broker/pages.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { Random } from '../model/random.js'
import type { LogStore, Page, StoredRecord } from '../../types/storage.js'

const record = (size = 1, qos: 0 | 1 = 1): StoredRecord => ({ body: Buffer.alloc(size, '1'), qos })

type Read = Parameters<LogStore['read']>[1]

function makePages (answer: (query: Read) => Page | Promise<Page>) {
  const clock = new ManualClock()
  const control = { reads: 0, answer }
  const log = { read: async (_: string, query: Read) => { control.reads++; return control.answer(query) } } as unknown as LogStore
  return { clock, control, pages: new Pages(log, clock) }
}

const page = (records: readonly StoredRecord[], from = 1): Page => ({ epoch: 'e', head: from + records.length - 1, first: 1, from, records })
const query = (more: Partial<PageQuery> = {}): PageQuery => ({ channel: 'a', wire: 'a', epoch: 'e', other: null, from: 1, limit: 128, ...more })

t.test('who stands in the same place shares one read and its frames', async (t) => {
  const { control, pages } = makePages(() => page([record(), record()]))
  const [one, two] = await Promise.all([pages.read(query()), pages.read(query())])
  const three = await pages.read(query())
  t.equal(control.reads, 1)
  t.ok(one === two && two === three)
  t.ok(one.portions(0)[0]?.frame === three.portions(0)[0]?.frame)
  t.equal(one.portions(0)[0]?.count, 2)
})

t.test('another place, epoch or knowledge is another read', async (t) => {
  const { control, pages } = makePages(() => page([record()]))
  for (const more of [{}, { channel: 'b' }, { epoch: 'f' }, { other: 'f' }, { from: 2 }]) await pages.read(query(more))
  t.equal(control.reads, 5)
})

t.test('who stands elsewhere in what was just read makes no read, and has what a read would give', async (t) => {
  const records = [1, 2, 3, 4, 5].map((size) => record(size))
  const { clock, control, pages } = makePages(() => page(records, 11))
  await pages.read(query({ from: 11 }))
  const part = await pages.read(query({ from: 13, limit: 2 }))
  t.same([part.page.from, part.page.head, part.page.records], [13, 15, records.slice(2, 4)])
  t.same(part.portions(0).map(({ from, to }) => [from, to]), [[13, 14]])
  t.ok(await pages.read(query({ from: 13, limit: 2 })) === part, 'which is shared likewise')
  t.equal(control.reads, 1)
  for (const elsewhere of [{ from: 10 }, { from: 16 }, { from: 13, epoch: 'f' }, { from: 13, other: 'f' }, { from: 13, channel: 'b' }]) await pages.read(query(elsewhere))
  t.equal(control.reads, 6)
  clock.advance(500)
  await pages.read(query({ from: 14 }))
  t.equal(control.reads, 7, 'not for longer than other pages')
})

t.test('who stands in what was announced a moment ago makes no read', async (t) => {
  const records = [1, 2, 3, 4].map((size) => record(size))
  const { clock, control, pages } = makePages(() => page(records, 11))
  pages.keep('a', 'a', 'e', 11, records)
  const part = await pages.read(query({ from: 12, limit: 2 }))
  t.same([part.page.epoch, part.page.from, part.page.head, part.page.records], ['e', 12, 14, records.slice(1, 3)])
  t.same((await pages.read(query({ from: 11 }))).page.records, records)
  t.equal(control.reads, 0)
  for (const elsewhere of [{ from: 10 }, { from: 15 }, { from: 12, epoch: 'f' }, { from: 12, other: 'f' }, { from: 12, channel: 'b' }]) await pages.read(query(elsewhere))
  t.equal(control.reads, 5)
  clock.advance(500)
  await pages.read(query({ from: 12 }))
  t.equal(control.reads, 6, 'not for longer than other pages')
})

t.test('what was announced one by one is read together', async (t) => {
  const { clock, control, pages } = makePages(() => page([record()]))
  for (let from = 1; from <= 130; from++) pages.keep('a', 'a', 'e', from, [record()])
  const first = await pages.read(query({ from: 3 }))
  t.same([first.page.from, first.page.records.length, first.page.head], [3, 126, 128])
  t.equal((await pages.read(query({ from: 129 }))).page.records.length, 2)
  pages.keep('a', 'a', 'e', 132, [record()])
  t.equal((await pages.read(query({ from: 132 }))).page.records.length, 1, 'but for what is missing in between')
  t.equal(control.reads, 0)
  clock.advance(499)
  pages.keep('a', 'a', 'e', 133, [record()])
  clock.advance(1)
  await pages.read(query({ from: 132 }))
  t.equal(control.reads, 1, 'and it is not kept for longer')
})

t.test('who stands in what is on its way waits for it, and reads for itself what it does not hold', async (t) => {
  const gives: Array<(page: Page) => void> = []
  const { control, pages } = makePages(() => new Promise((resolve) => { gives.push(resolve) }))
  const whole = pages.read(query())
  const [within, beyond] = [pages.read(query({ from: 2 })), pages.read(query({ from: 3 }))]
  t.equal(control.reads, 1)
  gives[0]?.(page([record(), record()]))
  t.same((await within).page.records, (await whole).page.records.slice(1))
  t.equal(control.reads, 2)
  gives[1]?.(page([], 3))
  t.same((await beyond).page.records, [])
})

t.test('a part is no older than what it is a part of', async (t) => {
  const { clock, control, pages } = makePages(() => page([record(), record()]))
  await pages.read(query())
  clock.advance(400)
  await pages.read(query({ from: 2 }))
  clock.advance(100)
  await pages.read(query({ from: 2 }))
  t.equal(control.reads, 2)
  clock.advance(1000)
  t.equal(pages.bytes, 0)
})

t.test('kept for half a second, and then gone without being asked for', async (t) => {
  const { clock, control, pages } = makePages(() => page([record(100)]))
  await pages.read(query())
  t.equal(pages.bytes, 328, 'the body, in its record and in its frame')
  clock.advance(499)
  await pages.read(query())
  t.equal(control.reads, 1)
  await pages.read(query({ from: 2 }))
  clock.advance(1)
  t.equal(pages.bytes, 328, 'the younger one stays')
  clock.advance(500)
  t.equal(pages.bytes, 0)
  await pages.read(query())
  t.equal(control.reads, 3)
})

t.test('an empty page and a failed read are not kept', async (t) => {
  const { control, pages } = makePages(() => page([]))
  await pages.read(query())
  control.answer = () => { throw new Error('down') }
  await t.rejects(pages.read(query()), { message: 'down' })
  control.answer = () => page([record()])
  t.equal((await pages.read(query())).page.records.length, 1)
  t.equal(control.reads, 3)
})

t.test('bounded in bytes: the oldest go', async (t) => {
  let from = 1
  const { control, pages } = makePages(() => page([record(2 * 1024 * 1024 - 64)], from))
  for (; from <= 6; from++) await pages.read(query({ from }))
  t.equal(pages.bytes, 16 * 1024 * 1024)
  await pages.read(query({ from: 6 }))
  t.equal(control.reads, 6, 'a young one is there')
  await pages.read(query({ from: 1 }))
  t.equal(control.reads, 7)
})

t.test('a slow read is shared however long it takes, and its page is kept from when it came', async (t) => {
  let give: (page: Page) => void = () => {}
  const { clock, control, pages } = makePages(() => new Promise((resolve) => { give = resolve }))
  const first = pages.read(query())
  clock.advance(5000)
  const second = pages.read(query())
  give(page([record()]))
  t.ok(await first === await second)
  clock.advance(499)
  t.ok(await pages.read(query()) === await first)
  t.equal(control.reads, 1)
})

t.test('QoS 0 records are sent to those who asked for them, up to where they did', async (t) => {
  const { pages } = makePages(() => page([record(1, 0), record(1, 0), record()]))
  const shared = await pages.read(query())
  const counts = (rewound: number) => shared.portions(rewound).map(({ count }) => count)
  t.same(counts(0), [0, 1])
  t.same(counts(1), [1, 0, 1])
  t.same(counts(1000), [3])
  t.ok(shared.portions(50) === shared.portions(60), 'beyond the end all are alike')
})

/** Everybody reads on from a place of its own to the end of a log, of which each page has so many records at the most. Returns how often the log was read. */
async function readAll (records: readonly StoredRecord[], places: readonly number[], most: number, limit = 64) {
  const answer = async ({ from, limit }: Read): Promise<Page> => {
    await new Promise(setImmediate)
    return { ...page(records.slice(from - 1, from - 1 + Math.min(limit, most)), from), head: records.length }
  }
  const { control, pages } = makePages(answer)
  await Promise.all(places.map(async (place) => {
    for (let from = place; from <= records.length;) {
      const { page } = await pages.read(query({ from, limit }))
      if (page.from !== from || page.records.some((record, i) => record !== records[from - 1 + i])) throw new Error(`a wrong page at ${from}`)
      from += page.records.length
    }
  }))
  return { reads: control.reads, pages }
}

t.test('a thousand who stand in a thousand places read the log about once', async (t) => {
  const records = Array.from({ length: 1000 }, () => record(128))
  const places = records.map((_, i) => i + 1)
  t.equal((await readAll(records, places, Infinity)).reads, 16, 'in order')
  for (let seed = 1; seed <= 5; seed++) {
    const random = new Random(seed)
    const inNoOrder = places.map((place) => ({ place, at: random.next() })).sort((a, b) => a.at - b.at).map(({ place }) => place)
    const { reads, pages } = await readAll(records, inNoOrder, Infinity)
    t.ok(reads <= 100, `${reads} reads`)
    t.ok(pages.bytes <= 16 * 1024 * 1024)
  }
})

t.test('of a page that was cut short those who stand behind it read on together', async (t) => {
  const records = Array.from({ length: 64 }, () => record())
  const { reads } = await readAll(records, records.map((_, i) => i + 1), 16)
  t.ok(reads <= 8, `${reads} reads`)
})

t.test('parts give way before what they were made of', async (t) => {
  const records = Array.from({ length: 100 }, () => record(20_000))
  const { control, pages } = makePages(() => page(records))
  await pages.read(query())
  for (let from = 2; from <= 100; from++) await pages.read(query({ from }))
  t.equal(control.reads, 1)
  t.ok(pages.bytes <= 16 * 1024 * 1024)
  await pages.read(query())
  await pages.read(query({ from: 2 }))
  t.equal(control.reads, 1, 'a part is made again, and nothing read')
})
