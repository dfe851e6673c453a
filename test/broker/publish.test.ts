import t from 'tap'
import { PushError } from '../../lib/core/errors.js'
import type { Code } from '../../lib/protocol/codes.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { NodeOptions } from '../helpers/node.js'
import { openNode, overStorage, settled } from '../helpers/node.js'

const room = 'room/1'

async function openFaulty (options: NodeOptions = {}) {
  const clock = new ManualClock()
  const faults: { code: Code | null, happens: boolean, held: (() => void)[] | null } = { code: null, happens: false, held: null }
  const memory = memoryStorage({ clock })
  const storage = {
    ...overStorage(memory, {
      log: (original) => ({
        async append (...args) {
          const { code, happens, held } = faults
          if (held !== null) await new Promise<void>((resolve) => { held.push(resolve) })
          if (code === null) return original.append(...args)
          if (happens) await original.append(...args)
          throw new PushError(code)
        }
      })
    }),
    supports: { ...memory.supports, certain: false }
  }
  return { ...await openNode({ ...options, clock, storage }), faults, memory }
}

t.test('stored, the default: the position, and an id made if none is given', async (t) => {
  const { broker } = await openNode()
  const first = await broker.publish(room, { text: 'hi' })
  t.match(first, { id: /^[A-Za-z0-9_-]{20}$/, position: { offset: 1 }, duplicate: false })
  t.match(await broker.publish(room, 2, { id: 'mine', wait: 'stored' }), { id: 'mine', position: { offset: 2 } })
  t.match((await broker.history(room)).messages[0], { channel: room, data: { text: 'hi' }, id: first.id, qos: 1, position: first.position })
  t.match(await broker.publish('quiet/1', 1, { qos: 0 }), { position: null, duplicate: false })
  t.match(await broker.publish(room, undefined, { qos: 0 }), { position: { offset: 3 } })
  t.equal((await broker.history(room)).messages.at(-1)?.data, null)
  await broker.publish(room, new Date(0))
  t.equal((await broker.history(room)).messages.at(-1)?.data, '1970-01-01T00:00:00.000Z')
})

t.test('calls of one turn are stored in their order, with and without an id', async (t) => {
  const { broker } = await openNode()
  const calls = Array.from({ length: 20 }, (_, i) => broker.publish(room, i, i % 3 === 0 ? { id: `id-${i}` } : i % 5 === 0 ? { wait: 'accepted' } : {}))
  await Promise.all(calls)
  await settled()
  t.same((await broker.history(room)).messages.map(({ data }) => data), Array.from({ length: 20 }, (_, i) => i))
})

t.test('an id: a repeat is stored once, other data is a conflict', async (t) => {
  const { broker, clock } = await openNode({ idWindow: '10m' })
  const { position } = await broker.publish(room, { a: 1 }, { id: 'x' })
  t.same(await broker.publish(room, { a: 1 }, { id: 'x' }), { id: 'x', position, duplicate: true })
  await t.rejects(broker.publish(room, { a: 2 }, { id: 'x' }), { code: 'PUSH_ID_CONFLICT', id: 'x' })
  t.match(await broker.publish('room/2', { a: 2 }, { id: 'x' }), { duplicate: false }, 'of another channel')
  await clock.advanceAsync(600_001)
  t.match(await broker.publish(room, { a: 2 }, { id: 'x' }), { duplicate: false }, 'the window is over')
  t.match(broker.stats(), { stored: 3, duplicates: 1, failed: 1 })
})

t.test('an unknown outcome carries the id; a retry with it is safe', async (t) => {
  const { broker, faults, failures } = await openFaulty()
  faults.code = 'PUSH_STORAGE_UNKNOWN'
  faults.happens = true
  const error = await broker.publish(room, 'once').then(() => null, (error: PushError) => error)
  t.equal(error?.code, 'PUSH_UNKNOWN')
  t.equal((error?.cause as PushError).code, 'PUSH_STORAGE_UNKNOWN')
  t.equal(error?.retryable, true)
  faults.code = null
  t.match(await broker.publish(room, 'once', { id: error?.id as string }), { duplicate: true, position: { offset: 1 } })
  t.same(failures.map(({ code }) => code), ['PUSH_UNKNOWN'])
})

t.test('a refusal carries its code and the id', async (t) => {
  const { broker, faults, failures } = await openFaulty()
  const cyclic: Record<string, unknown> = {}
  cyclic.self = cyclic
  const cases: [string, unknown, object, Code][] = [
    ['nowhere', 1, {}, 'PUSH_CHANNEL_UNKNOWN'],
    ['a b', 1, {}, 'PUSH_CHANNEL_INVALID'],
    [room, cyclic, {}, 'PUSH_INVALID'],
    [room, 1n, { id: 'big' }, 'PUSH_INVALID'],
    [room, cyclic, { wait: 'accepted' }, 'PUSH_INVALID'],
    [room, () => {}, {}, 'PUSH_INVALID'],
    [room, Symbol('x'), { id: 'symbol' }, 'PUSH_INVALID'],
    [room, { toJSON: () => undefined }, {}, 'PUSH_INVALID'],
    [room, 1, { qos: 3 }, 'PUSH_INVALID'],
    [room, 1, { wait: 'soon' }, 'PUSH_INVALID'],
    [room, 1, { ttl: -1 }, 'PUSH_INVALID'],
    [room, 1, { ttl: 'x' }, 'PUSH_INVALID'],
    [room, 1, { wait: 'delivered', timeout: 0 }, 'PUSH_INVALID'],
    [room, 1, { id: '' }, 'PUSH_INVALID'],
    [room, 1, { id: 7 }, 'PUSH_INVALID'],
    [room, 1, { id: 'x'.repeat(129) }, 'PUSH_INVALID']
  ]
  for (const [channel, data, options, code] of cases) await t.rejects(broker.publish(channel, data, options), { code, id: (options as { id?: string }).id ?? /^[A-Za-z0-9_-]{20}$/ }, JSON.stringify(options))
  faults.code = 'PUSH_STORAGE_UNAVAILABLE'
  await t.rejects(broker.publish(room, 1, { id: 'mine' }), { code: 'PUSH_STORAGE_UNAVAILABLE', id: 'mine' })
  t.equal(failures.length, cases.length + 1)
  t.equal(broker.stats().failed, cases.length + 1)
  t.equal((await broker.history(room)).messages.length, 0)
})

t.test('a rejection that nobody handles is logged and counted, and ends nothing', async (t) => {
  const { broker, failures } = await openNode()
  const unhandled: unknown[] = []
  const listener = (reason: unknown) => { unhandled.push(reason) }
  process.on('unhandledRejection', listener)
  broker.publish('nowhere', 1)
  broker.publish('nowhere', 1, { wait: 'accepted' })
  await settled()
  process.off('unhandledRejection', listener)
  t.same(unhandled, [])
  t.equal(failures.length, 2)
})

t.test("wait: 'accepted'", async (t) => {
  const { broker, faults, failures } = await openFaulty({ limits: { acceptedMessages: 2, acceptedBytes: 400 } })
  faults.held = []
  t.match(await broker.publish(room, 1, { wait: 'accepted', id: 'a' }), { id: 'a', position: null, duplicate: false })
  await broker.publish(room, 2, { wait: 'accepted' })
  t.same(broker.stats().accepted, { waiting: 2, failed: 0 })
  await t.rejects(broker.publish(room, 3, { wait: 'accepted' }), { code: 'PUSH_BUSY' }, 'too many')
  faults.held.splice(0).forEach((proceed) => proceed())
  await settled()
  t.same(broker.stats().accepted, { waiting: 0, failed: 0 })
  await t.rejects(broker.publish(room, 'x'.repeat(400), { wait: 'accepted' }), { code: 'PUSH_BUSY' }, 'too large')
  faults.code = 'PUSH_STORAGE_UNKNOWN'
  await broker.publish(room, 4, { wait: 'accepted', id: 'd' })
  faults.held.splice(0).forEach((proceed) => proceed())
  await settled()
  t.same(broker.stats().accepted, { waiting: 0, failed: 1 })
  t.match(failures.at(-1), { code: 'PUSH_UNKNOWN', id: 'd' })
  t.same((await broker.history(room)).messages.map(({ data }) => data), [1, 2])
})

t.test("wait: 'delivered'", async (t) => {
  const { own, broker, clock } = await openNode()
  const ack = (epoch: string, offset: number) => ({ type: 'ack', positions: [{ channel: room, epoch, offset }] })
  t.match(await broker.publish(room, 0, { wait: 'delivered' }), { delivered: { acknowledged: 0, pending: 0 } }, 'nobody listens')
  const subscriptions = [{ channel: room, qos: 1 }]
  const [fast, slow, gone] = await Promise.all([own({ subscriptions }), own({ subscriptions }), own({ subscriptions })])
  await own({ subscriptions: [{ channel: room, qos: 0 }] })
  let result: object | null = null
  const waiting = broker.publish(room, 1, { wait: 'delivered', timeout: '2s' }).then((value) => { result = value })
  await settled()
  const { epoch } = (await broker.history(room)).head
  await fast?.send(ack(epoch, 2))
  await gone?.cut()
  t.equal(result, null)
  await clock.advanceAsync(2000)
  await waiting
  t.match(result, { position: { offset: 2 }, delivered: { acknowledged: 1, pending: 2 } })
  const next = broker.publish(room, 2, { wait: 'delivered' })
  await settled()
  await fast?.send(ack(epoch, 3))
  await slow?.send(ack(epoch, 3))
  t.match(await next, { delivered: { acknowledged: 2, pending: 0 } })
  t.notOk('delivered' in await broker.publish('quiet/1', 2, { qos: 0, wait: 'delivered' }), 'what has no place cannot be waited for')
})

t.test('ttl and the QoS of the channel', async (t) => {
  const { broker, clock } = await openNode({ channels: { a: { history: true, qos: 2 }, b: { history: true, qos: 0 }, c: { history: true } } })
  for (const [channel, qos] of [['a', 2], ['b', 0], ['c', 1]] as const) {
    await broker.publish(channel, 1, { ttl: '1s' })
    t.equal((await broker.history(channel)).messages[0]?.qos, qos)
  }
  await clock.advanceAsync(1001)
  t.match(await broker.history('a'), { messages: [], head: { offset: 1 } })
})

t.test('a log that answers nothing is an error of the server', async (t) => {
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), { log: () => ({ append: async () => [] }) })
  const { broker } = await openNode({ clock, storage })
  await t.rejects(broker.publish(room, 1), { code: 'PUSH_INTERNAL' })
  t.match(await broker.publish(room, 1, { qos: 0 }), { position: null })
})
