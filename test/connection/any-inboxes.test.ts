import t from 'tap'
import { PushError } from '../../lib/core/errors.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { FastifyPushOptions, StorageAdapter, SubscribeEvent } from '../../types/index.js'
import { openNode, overStorage, settled, type FakePeer, type TestNode } from '../helpers/node.js'

const ANY = '$inbox/any'
const alice = { userId: 'alice' }
const any = (qos = 1) => ({ subscriptions: [{ channel: ANY, qos }] })
const phone = { clientId: 'phone', ...any() }
const laptop = { clientId: 'laptop', ...any() }
const watch = { clientId: 'watch', ...any() }

/** The lease runs for so long: twice the heartbeat's interval, and its timeout. */
const TTL = 60_000
/** The heartbeat visits twice an interval. */
const VISIT = 12_500

const epochOf = (peer: FakePeer): string => peer.last('messages')?.epoch ?? ''

/** Acknowledges up to an offset. */
async function ack (peer: FakePeer, offset: number, epoch = epochOf(peer)): Promise<void> {
  await peer.send({ type: 'ack', positions: [{ channel: ANY, epoch, offset }] })
}

async function send (node: TestNode, ...data: unknown[]): Promise<void> {
  for (const each of data) await node.broker.send('alice', each, { deliver: 'any' })
  await settled()
}

/** What a connection was told of its turn: `held`, or where it stands. */
function told (peer: FakePeer): Array<string | number> {
  const verdicts = [...peer.last('welcome')?.subscriptions ?? [], ...peer.socket.frames.filter(({ type }) => ['subscribed', 'unsubscribed', 'error'].includes(type))]
  return verdicts.map((frame) => 'code' in frame ? String(frame.code).replace('PUSH_', '').toLowerCase() : 'position' in frame ? frame.position.offset : frame.type)
}

async function openTwo (options: FastifyPushOptions = {}, storageOf = (storage: StorageAdapter) => storage) {
  const clock = new ManualClock()
  const storage = memoryStorage({ clock })
  const here = await openNode({ ...options, clock, storage })
  const there = await openNode({ ...options, clock, storage: { ...overStorage(storageOf(storage), {}), open: async () => {}, close: async () => {} } })
  return { here, there, clock, storage }
}

t.test('[P-6.5] what is for any one client is handled by one, on one node and on two', async (t) => {
  const one = await openNode()
  const { here, there } = await openTwo()
  for (const [first, second] of [[one, one], [here, there]] as const) {
    const reader = await first.own(phone, alice)
    const waits = await second.own(laptop, alice)
    await send(second, 1, 2)
    t.same(reader.data, [1, 2])
    t.same(told(reader), [0])
    t.same(waits.data, [])
    t.same(told(waits), ['held'])
    t.match(waits.last('welcome')?.subscriptions, [{ channel: ANY, code: 'PUSH_HELD' }])
    t.equal(await first.broker.unread('alice', { deliver: 'any' }), 2)
    t.equal(await first.broker.unread('alice'), 0, 'nothing of it is for all')
    await ack(reader, 2)
    t.equal(await first.broker.unread('alice', { deliver: 'any' }), 0)
    t.equal(reader.last('messages')?.channel, ANY)
  }
})

const endings: Record<string, (peer: FakePeer, node: TestNode) => unknown> = {
  'its link is lost': (peer) => peer.cut(),
  'it closes in order': (peer) => peer.cut(1000),
  'it unsubscribes': (peer) => peer.send({ type: 'unsubscribe', id: 5, channel: ANY }),
  'it is disconnected by the host': (_, node) => node.control.clients({ clientId: 'phone' }).disconnect(),
  'its session is taken over': (_, node) => node.own({ clientId: 'phone' }, alice),
  'it breaks the protocol': (peer) => peer.send({ type: 'hello', session: 'x'.repeat(22) })
}

for (const [why, end] of Object.entries(endings)) {
  t.test(`[P-6.6] the next in line goes on from the user's cursor when the reader ends: ${why}`, async (t) => {
    const one = await openNode()
    const { here, there } = await openTwo()
    for (const [first, second] of [[one, one], [here, there]] as const) {
      const reader = await first.own(phone, alice)
      const next = await second.own(laptop, alice)
      const third = await first.own(watch, alice)
      await send(first, 1, 2, 3)
      // The acknowledgement comes in one turn with the end, and counts.
      reader.connection.receive(JSON.stringify({ type: 'ack', positions: [{ channel: ANY, epoch: epochOf(reader), offset: 2 }] }))
      await end(reader, first)
      await settled()
      const [now, still] = first === second ? [next, third] : [third, next]
      t.same(told(now), ['held', 2])
      t.same(now.data, [3])
      t.same([told(still), still.data], [['held'], []])
      await send(second, 4)
      t.same(now.data, [3, 4])
      t.same(reader.data, [1, 2, 3])
      await ack(now, 4)
      await now.cut()
      t.same(told(still), ['held', 4], 'and then the one on the other node')
      await send(first, 5)
      t.same(still.data, [5])
    }
  })
}

t.test('[P-6.6] an identity that runs out ends the reading with it', async (t) => {
  const { here, there, clock } = await openTwo()
  const reader = await here.own(phone, { ...alice, expiresAt: clock.timestamp() + 5000 })
  const next = await there.own(laptop, alice)
  await clock.advanceAsync(5000)
  await settled()
  t.equal(reader.last('goodbye')?.code, 'PUSH_EXPIRED')
  t.same(told(next), ['held', 0])
})

t.test('a reader that reconnects goes on, though others wait for longer', async (t) => {
  const one = await openNode()
  const reader = await one.own(phone, alice)
  const waits = await one.own(laptop, alice)
  await send(one, 1)
  const again = await one.hello(phone, alice)
  t.same(told(again), ['held'], 'the old connection has not ended yet')
  await again.send({ type: 'pong' })
  t.equal(reader.last('goodbye')?.code, 'PUSH_SUPERSEDED')
  t.same([told(again), again.data], [['held', 0], [1]])
  t.same([told(waits), waits.data], [['held'], []])
})

t.test('a reader that reconnects on another node goes on there', async (t) => {
  const { here, there } = await openTwo()
  const reader = await here.own(phone, alice)
  await send(here, 1)
  await ack(reader, 1)
  await send(here, 2)
  const again = await there.own(phone, alice)
  await settled()
  t.equal(reader.last('goodbye')?.code, 'PUSH_SUPERSEDED')
  t.same([told(again), again.data], [['held', 1], [2]])
})

t.test('a client that comes when nobody reads begins at once, where the user is', async (t) => {
  const { here, there } = await openTwo()
  await send(here, 1, 2)
  const first = await here.own(phone, alice)
  t.same(first.data, [1, 2], 'from the first one, where nobody has acknowledged any')
  await ack(first, 1)
  await first.cut()
  const second = await there.own({ clientId: 'laptop' }, alice)
  await second.send({ type: 'subscribe', id: 1, channel: ANY, qos: 1, position: { epoch: epochOf(first), offset: 2 } })
  t.match(second.last('subscribed'), { id: 1, channel: ANY, verdict: 'resumed', position: { offset: 1 } }, 'the position of a client says nothing')
  t.same(second.data, [2])
})

t.test('a subscribe that has to wait is answered, and the turn comes later', async (t) => {
  const { own, broker } = await openNode()
  const reader = await own(phone, alice)
  const waits = await own({ clientId: 'laptop' }, alice)
  await waits.send({ type: 'subscribe', id: 3, channel: ANY, qos: 1 })
  t.match(waits.last('error'), { id: 3, channel: ANY, code: 'PUSH_HELD' })
  await waits.send({ type: 'subscribe', id: 4, channel: ANY, qos: 2 })
  t.match(waits.last('error'), { id: 4, code: 'PUSH_HELD' })
  const before = broker.stats().ignoredAcks
  await ack(waits, 0, 'e')
  t.equal(broker.stats().ignoredAcks, before + 1, 'who stands in line acknowledges nothing')
  await reader.send({ type: 'unsubscribe', id: 9, channel: ANY })
  await settled()
  t.match(waits.all('subscribed'), [{ id: undefined, channel: ANY, qos: 2 }], 'once, as it was asked for last')
})

t.test('whoever leaves the line is not asked', async (t) => {
  const { own } = await openNode()
  const reader = await own(phone, alice)
  const second = await own(laptop, alice)
  const third = await own(watch, alice)
  await second.send({ type: 'unsubscribe', id: 1, channel: ANY })
  await reader.cut()
  t.equal(second.all('subscribed').length, 0)
  t.same(told(third), ['held', 0])
})

t.test('what cannot be: QoS 0, the inbox of nobody, publishing', async (t) => {
  const { hello, own } = await openNode()
  t.match((await hello(any(0), alice)).last('welcome')?.subscriptions, [{ channel: ANY, code: 'PUSH_INVALID' }])
  t.match((await hello(any())).last('welcome')?.subscriptions, [{ channel: ANY, code: 'PUSH_FORBIDDEN' }])
  const peer = await own(phone, alice)
  t.same(told(peer), [0], 'who was refused stands in no line')
  await peer.send({ type: 'publish', channel: ANY, qos: 1, publisher: 'x'.repeat(22), sequence: 1, data: 1 })
  t.match(peer.last('refused'), { code: 'PUSH_CHANNEL_INVALID' })
})

t.test('the reader may ask for another QoS', async (t) => {
  const node = await openNode()
  const reader = await node.own(phone, alice)
  const waits = await node.own(laptop, alice)
  await send(node, 1, 2)
  reader.connection.receive(JSON.stringify({ type: 'ack', positions: [{ channel: ANY, epoch: epochOf(reader), offset: 1 }] }))
  await reader.send({ type: 'subscribe', id: 2, channel: ANY, qos: 2 })
  t.match(reader.last('subscribed'), { id: 2, qos: 2, position: { offset: 1 } })
  await ack(reader, 2)
  t.match(reader.last('confirmed'), { positions: [{ channel: ANY, offset: 2 }] }, '[P-4.8] the stored cursor is confirmed')
  t.same(told(waits), ['held'])
  await reader.cut()
  t.same([told(waits), waits.data], [['held', 2], []])
})

t.test('beyond what the inbox keeps there is a gap, for one', async (t) => {
  const node = await openNode({ inbox: { limit: 2 } })
  const reader = await node.own(phone, alice)
  await send(node, 1)
  await ack(reader, 1)
  await reader.cut()
  await send(node, 2, 3, 4, 5)
  const back = await node.own(laptop, alice)
  t.match(back.last('welcome')?.subscriptions, [{ verdict: 'lost', gap: { reason: 'retention', from: 2, to: 3, count: 2 } }])
  t.same(back.data, [4, 5])
})

/** A storage that one node sees through a window which the test closes: calls reject, and nothing is heard. */
function behindGlass (storage: StorageAdapter, only: { closed: boolean, calls: string[] }): StorageAdapter {
  const guard = <Port extends object> (port: Port): Partial<Port> => new Proxy(port, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name === 'watch') return (listener: (...told: unknown[]) => void) => value.call(target, (...told: unknown[]) => { if (!only.closed) listener(...told) })
      return (...values: unknown[]) => {
        only.calls.push(`${String(name)} ${String(values[0])}`)
        if (only.closed && name !== 'join') return Promise.reject(new PushError('PUSH_STORAGE_UNAVAILABLE'))
        return value.apply(target, values)
      }
    }
  })
  return overStorage(storage, { sessions: guard, cursors: guard })
}

t.test('a node that is killed leaves the lease to others after its time', async (t) => {
  const glass = { closed: false, calls: [] as string[] }
  const { here, there, clock } = await openTwo({}, (storage) => behindGlass(storage, glass))
  const reader = await there.own(phone, alice)
  await send(here, 1, 2)
  await ack(reader, 1)
  const waits = await here.own(laptop, alice)
  glass.closed = true // from now on nothing of it reaches the storage
  await clock.advanceAsync(TTL - 2 * VISIT)
  t.same(told(waits), ['held'])
  await clock.advanceAsync(2 * VISIT + VISIT)
  t.same([told(waits), waits.data], [['held', 1], [2]])
})

t.test('a node that cannot keep the lease stops by its own clock, before another one may begin', async (t) => {
  const glass = { closed: false, calls: [] as string[] }
  const { here, there, clock } = await openTwo({}, (storage) => behindGlass(storage, glass))
  const reader = await there.own(phone, alice)
  await clock.advanceAsync(3 * TTL)
  t.same(told(reader), [0], 'it keeps it for as long as it likes')
  glass.calls.length = 0
  while (!glass.calls.includes('touch */alice')) await clock.advanceAsync(10)
  glass.closed = true
  await clock.advanceAsync(TTL - 10)
  await send(here, 1)
  t.same(reader.data, [1], 'until then it delivers')
  await clock.advanceAsync(10)
  await send(here, 2)
  t.same(reader.data, [1], 'and then no more, whoever visits when')
  const other = await here.own(laptop, alice)
  t.same(other.data, [1, 2])
  await clock.advanceAsync(VISIT)
  t.match(reader.last('unsubscribed'), { channel: ANY, code: 'PUSH_HELD' })
  glass.closed = false
  await ack(reader, 1)
  await ack(other, 2)
  await other.cut()
  await clock.advanceAsync(VISIT)
  t.same(told(reader).slice(1), ['held', 2], 'it stood in line again')
  t.same(reader.data, [1])
})

t.test('[P-6.6] a reader whose lease was taken meanwhile hears of it, and what it acknowledges is fenced', async (t) => {
  for (const how of ['watch', 'touch', 'commit']) {
    const deaf = { sessions: (sessions: StorageAdapter['sessions']) => ({ watch: how === 'watch' ? sessions.watch : () => () => {} }) }
    const { here, clock, storage } = await openTwo()
    const there = await openNode({ clock, storage: { ...overStorage(storage, deaf), open: async () => {} } })
    const reader = await there.own(phone, alice)
    await send(here, 1, 2)
    const { generation } = await storage.sessions.claim('*/alice', 3_600_000)
    if (how !== 'watch') {
      await settled()
      t.same(told(reader), [0], 'nobody has told it')
    }
    if (how === 'touch') await clock.advanceAsync(VISIT)
    if (how === 'commit') {
      const position = { epoch: epochOf(reader), offset: 1 }
      await storage.cursors.commit('$inbox-any/alice', [{ session: '*', generation, number: 1, position, ttl: 3_600_000 }])
      await ack(reader, 2)
    }
    await settled()
    t.same(told(reader), [0, 'held'], how)
    await ack(reader, 2)
    await send(here, 3)
    t.same(reader.data, [1, 2], how)
    t.equal(await here.broker.unread('alice', { deliver: 'any' }), how === 'commit' ? 2 : 3, `${how}: what it acknowledged afterwards does not count`)
    await storage.sessions.remove('*/alice', generation)
    await clock.advanceAsync(2 * VISIT)
    t.equal(told(reader).at(-1), how === 'commit' ? 1 : 0, `${how}: it reads again once nobody has it`)
  }
})

t.test('a lease that the storage has forgotten is taken anew', async (t) => {
  const { here, clock, storage } = await openTwo()
  const reader = await here.own(phone, alice)
  await send(here, 1)
  await ack(reader, 1)
  await storage.sessions.remove('*/alice', Number.MAX_SAFE_INTEGER)
  await clock.advanceAsync(VISIT)
  await send(here, 2)
  t.same(told(reader), [0, 'held', 1])
  t.same(reader.data, [1, 2])
})

t.test('a node asks once for a user, however many of the user\'s clients wait, and not for nobody', async (t) => {
  const glass = { closed: false, calls: [] as string[] }
  const { here, there, clock } = await openTwo({}, (storage) => behindGlass(storage, glass))
  await here.own(phone, alice)
  const waits = [await there.own(laptop, alice), await there.own(watch, alice), await there.own(any(), alice)]
  await clock.advanceAsync(VISIT)
  glass.calls.length = 0
  await clock.advanceAsync(4 * VISIT)
  t.equal(glass.calls.filter((call) => call === 'acquire */alice').length, 4)
  for (const peer of waits) await peer.cut()
  await clock.advanceAsync(VISIT)
  glass.calls.length = 0
  await clock.advanceAsync(4 * VISIT)
  t.same(glass.calls, [])
})

t.test('a storage that fails: the request is refused and asked again, whoever waits is served later', async (t) => {
  const glass = { closed: false, calls: [] as string[] }
  const { here, there, clock } = await openTwo({}, (storage) => behindGlass(storage, glass))
  const asks = await there.own({ clientId: 'phone' }, alice)
  glass.closed = true
  await asks.send({ type: 'subscribe', id: 1, channel: ANY, qos: 1 })
  t.match(asks.last('error'), { id: 1, code: 'PUSH_STORAGE_UNAVAILABLE' })
  glass.closed = false
  const reader = await here.own(laptop, alice)
  t.same(told(reader), [0])
  await reader.send({ type: 'unsubscribe', id: 1, channel: ANY })
  t.same(told(asks), ['storage_unavailable'], 'it stands in no line')
  await reader.send({ type: 'subscribe', id: 2, channel: ANY, qos: 1 })
  await asks.send({ type: 'subscribe', id: 2, channel: ANY, qos: 1 })
  glass.closed = true
  await reader.cut()
  await clock.advanceAsync(2 * VISIT)
  glass.closed = false
  t.same(told(asks), ['storage_unavailable', 'held'])
  await clock.advanceAsync(VISIT)
  t.same(told(asks), ['storage_unavailable', 'held', 0])
  t.same(there.errors, [])
})

t.test('whoever cannot be subscribed when its turn comes is told, and the next one reads', async (t) => {
  let refuses = false
  const { own, broker } = await openNode()
  broker.hooks.add(broker.hooks.root, 'onSubscribe', () => { if (refuses) throw new PushError('PUSH_FORBIDDEN') })
  broker.hooks.start()
  const reader = await own(phone, alice)
  const refused = await own(laptop, alice)
  refuses = true
  await reader.cut()
  t.same(told(refused), ['held', 'forbidden'])
  refuses = false
  const next = await own(watch, alice)
  t.same(told(next), [0], 'the lease was given back')
})

t.test('a service that closes gives its leases back, and leaves no timer', async (t) => {
  const { here, there, clock } = await openTwo()
  const reader = await there.own(phone, alice)
  const also = await there.own(watch, alice)
  const waits = await here.own(laptop, alice)
  await send(here, 1, 2)
  reader.connection.receive(JSON.stringify({ type: 'ack', positions: [{ channel: ANY, epoch: epochOf(reader), offset: 1 }] }))
  const closing = there.service.close()
  await settled()
  t.same([told(waits), waits.data], [['held', 1], [2]], 'before any socket is gone')
  for (const peer of [reader, also]) await peer.cut()
  await closing
  t.same(told(also), ['held'], 'nobody here who is ending too')
  t.equal(there.service.readers.size, 0)
  await there.control.close()
  await there.broker.close()
  await waits.cut()
  await here.service.close()
  await here.control.close()
  await here.broker.close()
  await clock.advanceAsync(1000)
  t.equal(clock.pending, 0)
})

t.test('a line that nobody stands in is forgotten', async (t) => {
  const { own, service, clock } = await openNode()
  const peer = await own(phone, alice)
  t.equal(service.readers.size, 1)
  await peer.cut()
  await clock.advanceAsync(2 * VISIT)
  t.equal(service.readers.size, 0)
})

t.test('unread, receipts and watches of what is for any one', async (t) => {
  const waiting: unknown[] = []
  const { own, broker, clock } = await openNode({ inbox: { onWaiting: ({ userId, message }) => { waiting.push([userId, message.channel, message.data]) } } })
  const peer = await own(phone, alice)
  const { receipt, position } = await broker.send('alice', 1, { deliver: 'any', receipt: true })
  await broker.send('alice', 2, { deliver: 'any' })
  await settled()
  t.same(await receipt?.(), { acknowledged: [], pending: [{ clientId: 'phone', userId: 'alice' }], next: null })
  await ack(peer, 1)
  t.same(await receipt?.(), { acknowledged: [{ clientId: '*', userId: 'alice' }], pending: [], next: null })
  t.ok(position)
  if (position !== null) t.same(await broker.receipt({ userId: 'alice', deliver: 'any' }, position), await receipt?.())
  await peer.send({ type: 'unread', id: 1, channel: ANY })
  t.match(peer.last('unread'), { channel: ANY, count: 1 })
  await peer.send({ type: 'history', id: 2, channel: ANY })
  t.same(peer.last('history')?.messages.map(({ data }) => data), [1, 2])
  await clock.advanceAsync(30_000)
  t.same(waiting, [['alice', ANY, 2]])
  for (const deliver of ['one', null, 7]) {
    await t.rejects(broker.send('alice', 1, { deliver: deliver as 'any' }), { code: 'PUSH_INVALID' })
    await t.rejects(broker.unread('alice', { deliver: deliver as 'any' }), { code: 'PUSH_INVALID' })
  }
})

/** A storage with an operation that is held up: it happens once it is released, and answers after that. */
function holding (storage: StorageAdapter, port: 'sessions' | 'cursors', operation: string) {
  const latch = { isClosed: false, waiting: [] as (() => void)[] }
  const held = overStorage(storage, {
    [port]: (original: Record<string, (...values: unknown[]) => unknown>) => ({
      [operation]: async (...values: unknown[]) => {
        if (latch.isClosed) await new Promise<void>((resolve) => { latch.waiting.push(resolve) })
        const answer = await original[operation]?.(...values)
        return answer
      }
    })
  })
  const release = async (): Promise<void> => {
    latch.isClosed = false
    for (const go of latch.waiting.splice(0)) go()
    await settled()
  }
  return { held, latch, release }
}

/** Two nodes, of which one has such a storage. */
async function openHeld (port: 'sessions' | 'cursors', operation: string, options: FastifyPushOptions = {}) {
  let made!: ReturnType<typeof holding>
  const two = await openTwo(options, (storage) => (made = holding(storage, port, operation)).held)
  const { latch, release } = made
  return { ...two, latch, release }
}

t.test('the next one begins once the last acknowledgement is stored, on this node and on another one', async (t) => {
  for (const isSame of [true, false]) {
    const { here, there, latch, release, clock } = await openHeld('cursors', 'commit')
    const reader = await there.own(phone, alice)
    const next = await (isSame ? there : here).own(laptop, alice)
    await send(here, 1, 2)
    latch.isClosed = true
    await ack(reader, 1)
    await reader.cut()
    await clock.advanceAsync(VISIT)
    t.same(told(next), ['held'])
    await release()
    t.same([told(next), next.data], [['held', 1], [2]])
  }
})

t.test('a new reader has a new generation: what an earlier one still writes is fenced before the new one has acknowledged anything', async (t) => {
  const { here, storage } = await openTwo()
  const reader = await here.own(phone, alice)
  const next = await here.own(laptop, alice)
  await send(here, 1, 2)
  await ack(reader, 1)
  const before = await storage.sessions.find('*/alice')
  await reader.cut()
  t.same(told(next), ['held', 1])
  t.ok((await storage.sessions.find('*/alice'))?.generation as number > (before?.generation as number))
  const late = { session: '*', generation: before?.generation as number, number: 99, position: { epoch: epochOf(next), offset: 2 }, ttl: 1000 }
  t.same(await storage.cursors.commit('$inbox-any/alice', [late]), ['fenced'])
})

t.test('whoever comes while the lease is given back gets it at once', async (t) => {
  const { here, there, latch, release } = await openHeld('sessions', 'remove')
  const reader = await there.own(phone, alice)
  const next = await there.own({ clientId: 'laptop' }, alice)
  latch.isClosed = true
  await reader.cut()
  await next.send({ type: 'subscribe', id: 1, channel: ANY, qos: 1 })
  t.same(told(next), ['held'])
  await release()
  t.same(told(next), ['held', 0])
  await here.own(watch, alice)
})

t.test('a lease that is taken while this node is taking it, or while its reader begins, is not this node\'s', async (t) => {
  for (const [port, operation] of [['sessions', 'acquire'], ['cursors', 'load']] as const) {
    const { there, latch, storage, clock } = await openHeld(port, operation)
    latch.isClosed = true
    const peer = there.connect(alice)
    await peer.send({ type: 'hello', session: 'x'.repeat(22), ...phone })
    const [go] = latch.waiting.splice(0) as [() => void]
    latch.isClosed = false
    go()
    if (operation === 'acquire') await Promise.resolve() // it has it, and does not know yet
    const { generation } = await storage.sessions.claim('*/alice', 3_600_000)
    await settled()
    await peer.send({ type: 'pong' })
    t.same(told(peer), ['held'], operation)
    t.equal(there.service.subscriptions, 0)
    await storage.sessions.remove('*/alice', generation)
    await clock.advanceAsync(VISIT)
    t.same(told(peer), ['held', 0], 'it stands in line')
  }
})

t.test('a lease that is taken for a new reader, but too late, is not taken from the node that has it by then', async (t) => {
  const { here, there, latch, release, clock } = await openHeld('sessions', 'acquire')
  const reader = await there.own(phone, alice)
  const waits = await there.own({ clientId: 'laptop' }, alice)
  await waits.send({ type: 'subscribe', id: 1, channel: ANY, qos: 1 })
  latch.isClosed = true
  await reader.cut()
  await clock.advanceAsync(TTL)
  const other = await here.own(watch, alice)
  await release()
  await send(here, 1)
  t.same([told(other), other.data], [[0], [1]])
  t.same([told(waits), waits.data], [['held'], []])
})

t.test('nobody is subscribed before its hello is answered, and then at once', async (t) => {
  const { there, latch, release } = await openHeld('sessions', 'find')
  const reader = await there.own(phone, alice)
  latch.isClosed = true
  const next = there.connect(alice)
  await next.send({ type: 'hello', session: 'y'.repeat(22), ...laptop })
  await reader.cut()
  t.same(next.socket.frames, [])
  await release()
  t.same(next.socket.frames.map(({ type }) => type), ['welcome', 'subscribed'])
  t.same(told(next), ['held', 0])
})

t.test('a connection that ends while a hook thinks about it stands in no line', async (t) => {
  let think: (() => void) | null = null
  const { own, broker, service, clock } = await openNode()
  broker.hooks.add(broker.hooks.root, 'onSubscribe', ({ client }: SubscribeEvent) => client.clientId === 'laptop' ? new Promise<void>((resolve) => { think = resolve }) : undefined)
  broker.hooks.start()
  const reader = await own(phone, alice)
  const gone = await own({ clientId: 'laptop' }, alice)
  await gone.send({ type: 'subscribe', id: 1, channel: ANY, qos: 1 })
  await gone.cut()
  ;(think as (() => void) | null)?.()
  await settled()
  await reader.cut()
  await clock.advanceAsync(2 * VISIT)
  t.equal(service.readers.size, 0)
  t.same(told(await own(watch, alice)), [0])
})

t.test('closing waits until leases are given back, for as long as the grace', async (t) => {
  const { there, latch, clock } = await openHeld('sessions', 'remove', { limits: { closeGrace: '2s' } })
  const reader = await there.own(phone, alice)
  latch.isClosed = true
  let isClosed = false
  const closing = there.service.close().then(() => { isClosed = true })
  await reader.cut()
  await clock.advanceAsync(1999)
  t.notOk(isClosed)
  await clock.advanceAsync(1)
  await closing
  t.match(there.errors, [{ code: 'PUSH_STORAGE_UNKNOWN' }])
})
