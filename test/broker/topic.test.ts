import t from 'tap'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { PushError } from '../../lib/core/errors.js'
import type { FeedListener, Page } from '../../types/storage.js'
import type { FakePeer } from '../helpers/node.js'
import { openNode, overStorage, settled } from '../helpers/node.js'

const room = 'room/1'
const to = (qos: number, more: object = {}) => ({ subscriptions: [{ channel: room, qos, ...more }] })

/** The buffers that carried messages. */
const buffers = ({ socket }: FakePeer) => socket.writes.filter((bytes) => Buffer.from(bytes).includes('"type":"messages"'))

t.test('[P-4.1] all records of a tick are one shared buffer, the same object for every subscriber and every QoS', async (t) => {
  const { own, broker } = await openNode()
  const peers = await Promise.all([own(to(0)), own(to(1)), own(to(2))])
  for (let i = 0; i < 5; i++) broker.publish(room, i, { qos: (i % 3) as 0 }).catch(t.error)
  await settled()
  const [first, second, third] = peers.map(buffers)
  t.equal(first?.length, 1)
  t.ok(first?.[0] === second?.[0] && second?.[0] === third?.[0], 'identical')
  t.same(peers[1]?.data, [0, 1, 2, 3, 4])
  t.match(peers[1]?.last('messages'), { from: 1, channel: room })
})

t.test('[P-4.1] volatile messages too, without a place', async (t) => {
  const { own, broker } = await openNode()
  const peers = await Promise.all([0, 1].map((qos) => own({ subscriptions: [{ channel: 'quiet/1', qos }] })))
  for (let i = 0; i < 3; i++) broker.publish('quiet/1', i, { qos: 0 }).catch(t.error)
  await settled()
  t.ok(buffers(peers[0] as FakePeer)[0] === buffers(peers[1] as FakePeer)[0])
  t.notOk('from' in (peers[0]?.last('messages') ?? {}))
  t.same(peers[0]?.data, [0, 1, 2])
})

t.test('a batch larger than a window is split', async (t) => {
  const { own, broker } = await openNode({ limits: { window: 1000 } })
  const peer = await own(to(1))
  for (let i = 0; i < 200; i++) broker.publish(room, i).catch(t.error)
  await settled()
  t.same(peer.all('messages').map(({ messages }) => messages.length), [64, 64, 64, 8])
  broker.publish(room, 'x'.repeat(60_000)).catch(t.error)
  broker.publish(room, 'y'.repeat(60_000)).catch(t.error)
  await settled()
  t.equal(peer.all('messages').length, 6, 'by bytes too')
  const small = await openNode({ limits: { window: 5 } })
  const narrow = await small.own(to(1))
  for (let i = 0; i < 20; i++) small.broker.publish(room, i).catch(t.error)
  await settled()
  t.same(narrow.data, [0, 1, 2, 3, 4], 'a window smaller than a batch reads the log')
})

t.test('[P-4.2] QoS 0 that falls behind jumps, and what it missed is counted', async (t) => {
  const { own, broker } = await openNode()
  const peer = await own(to(0))
  peer.socket.full = true
  await broker.publish(room, 1)
  await settled()
  for (let i = 2; i <= 4; i++) await broker.publish(room, i)
  await settled()
  await peer.drain()
  await broker.publish(room, 5)
  await settled()
  t.same(peer.data, [1, 5])
  t.equal(broker.stats().dropped, 3)
  t.equal(peer.all('gap').length, 0)
})

t.test('[P-4.3] what expired is skipped as a range', async (t) => {
  const { own, broker, clock } = await openNode()
  await broker.publish(room, 'a')
  for (let i = 0; i < 3; i++) await broker.publish(room, 'short', { ttl: '1s' })
  await broker.publish(room, 'b')
  await clock.advanceAsync(1001)
  const peer = await own(to(1, { rewind: 5 }))
  t.same(peer.data, ['a', 'b'])
  t.match(peer.all('skip'), [{ channel: room, from: 2, to: 4 }])
  t.equal(broker.stats().gaps, 0)
})

t.test('[P-4.5] retention passes a subscriber that stands still: a gap with its range, and on it goes', async (t) => {
  const { own, broker } = await openNode({ channels: { 'room/:id': { history: { limit: 3 } } }, limits: { window: 2 } })
  const peer = await own(to(1))
  for (let i = 1; i <= 10; i++) await broker.publish(room, i)
  await settled()
  t.same(peer.data, [8, 9])
  t.match(peer.all('gap'), [{ reason: 'retention', from: 1, to: 7, count: 7, position: { offset: 7 } }])
  const { epoch } = (await broker.history(room)).head
  t.equal(broker.stats().gaps, 1)
  await peer.send({ type: 'ack', positions: [{ channel: room, epoch, offset: 9 }] })
  t.same(peer.data, [8, 9, 10])
})

/** A node whose feed the test can interrupt or silence, and whose reads it can fail or change. */
async function openRemote (shared = false) {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  const control = {
    listeners: [] as FeedListener[],
    deaf: false,
    failing: 0,
    reads: 0,
    page: (page: Page): Page | Promise<Page> => page
  }
  const storage = overStorage(memory, {
    feed: (original) => ({
      join (channel, listener) {
        if (!channel.startsWith('$')) control.listeners.push(listener) // the nodes' own talk is left alone
        return original.join(channel, {
          records: (batch) => { if (!control.deaf) listener.records(batch) },
          volatile: (bodies) => { if (!control.deaf) listener.volatile(bodies) },
          interrupted: () => listener.interrupted()
        })
      }
    }),
    log: (original) => ({
      async read (...args) {
        control.reads++
        if (control.failing > 0) {
          control.failing--
          throw new PushError('PUSH_STORAGE_UNAVAILABLE')
        }
        return await control.page(await original.read(...args))
      }
    })
  })
  return { ...await openNode({ clock, storage: { ...storage, supports: { ...storage.supports, shared } } }), control }
}

t.test('a lost feed message is made good by the next one', async (t) => {
  const { own, broker, control } = await openRemote()
  const peer = await own(to(1))
  control.deaf = true
  await broker.publish(room, 1)
  control.deaf = false
  await broker.publish(room, 2)
  await settled()
  t.same(peer.data, [1, 2])
})

t.test('where the storage is far, whose window was full goes on with what was announced', async (t) => {
  const { own, broker, control } = await openRemote(true)
  const peer = await own(to(1))
  const count = 600 // more than two windows
  const published = await Promise.all(Array.from({ length: count }, (_, i) => broker.publish(room, i)))
  await settled()
  t.ok(peer.data.length < count, 'its window is full')
  const { epoch } = published[0]?.position ?? { epoch: '' }
  const reads = control.reads
  for (let had = 0; had < peer.data.length;) {
    had = peer.data.length
    await peer.send({ type: 'ack', positions: [{ channel: room, epoch, offset: had }] })
    await settled()
  }
  t.same(peer.data, Array.from({ length: count }, (_, i) => i))
  t.equal(control.reads, reads)
})

t.test('an interrupted feed: every cursor is told the head', async (t) => {
  const { own, broker, control, clock, errors } = await openRemote()
  const peer = await own(to(1))
  const atMostOnce = await own(to(0))
  control.deaf = true
  await broker.publish(room, 1)
  await settled()
  t.same(peer.data, [])
  control.failing = 1
  control.listeners[0]?.interrupted()
  await settled()
  t.equal(errors.length, 1)
  t.same(peer.data, [])
  await clock.advanceAsync(500)
  await settled()
  t.same(peer.data, [1])
  t.same(atMostOnce.data, [])
  t.equal(broker.stats().dropped, 1)
  await peer.cut()
  await atMostOnce.cut()
  const before = control.reads
  control.listeners[0]?.interrupted()
  await settled()
  t.equal(control.reads, before, 'nobody follows it any more')
})

t.test('a repeated or reordered batch is no repeat', async (t) => {
  const { own, broker, control } = await openRemote()
  const peer = await own(to(1))
  const atMostOnce = await own(to(0))
  const { position } = await broker.publish(room, 1)
  await broker.publish(room, 2)
  await settled()
  const page = await broker.storage.log.read(room, { from: 1, limit: 2, bytes: 1000 })
  const epoch = position?.epoch ?? ''
  control.listeners[0]?.records({ epoch, from: 1, records: page.records as never })
  await settled()
  t.same(peer.data, [1, 2])
  t.same(atMostOnce.data, [1, 2])
})

t.test('a read that fails is tried again, with a pause that grows', async (t) => {
  const { own, broker, control, clock, errors } = await openRemote()
  const peer = await own(to(1))
  control.deaf = true
  await broker.publish(room, 1)
  control.deaf = false
  control.failing = 3
  await broker.publish(room, 2)
  await settled()
  t.same(peer.data, [])
  const pauses = [100, 200, 400]
  for (const pause of pauses) {
    const reads = control.reads
    await clock.advanceAsync(pause - 1)
    t.equal(control.reads, reads)
    await clock.advanceAsync(1)
    await settled()
    t.equal(control.reads > reads, true)
  }
  t.same(peer.data, [1, 2])
  t.equal(errors.length, 3)
  control.deaf = true
  control.failing = Infinity
  await broker.publish(room, 3)
  control.listeners[0]?.records({ epoch: (await broker.publish(room, 4)).position?.epoch ?? '', from: 4, records: [{ body: Buffer.from('{}'), qos: 1 }] })
  await settled()
  await peer.cut()
  const reads = control.reads
  await clock.advanceAsync(60_000)
  t.equal(control.reads, reads, 'not for one who has left')
})

t.test('however often a feed is interrupted, its head is asked for by one at a time, and once more where that happened meanwhile', async (t) => {
  const { own, broker, control, clock, errors } = await openRemote()
  const peer = await own(to(1))
  const listener = control.listeners[0]
  control.failing = 1
  let reads = control.reads
  for (let i = 0; i < 5; i++) listener?.interrupted()
  await settled()
  t.same([control.reads - reads, errors.length], [1, 1])
  for (let i = 0; i < 5; i++) listener?.interrupted()
  await settled()
  t.equal(control.reads - reads, 1, 'the pause is not over')
  await clock.advanceAsync(500)
  t.equal(control.reads - reads, 2)
  reads = control.reads
  listener?.interrupted()
  control.deaf = true
  await broker.publish(room, 1)
  listener?.interrupted()
  await settled()
  t.same(peer.data, [1])
  t.equal(control.reads - reads, 3, 'the head twice, and the page')
  await peer.cut()
  listener?.interrupted()
  await settled()
  t.equal(control.reads - reads, 3, 'nobody follows it any more')
})

t.test('a log that lags behind its feed is asked again after a pause, not at once for ever', async (t) => {
  const { own, broker, control, clock, errors } = await openRemote()
  const peer = await own(to(1))
  const { position } = await broker.publish(room, 1)
  await settled()
  control.listeners[0]?.records({ epoch: position?.epoch ?? '', from: 3, records: [{ body: Buffer.from('{"id":"x","qos":1,"timestamp":1,"data":3}'), qos: 1 }] })
  const before = control.reads
  await settled()
  t.equal(control.reads, before + 1)
  t.match(errors, [{ code: 'PUSH_STORAGE_UNAVAILABLE' }])
  control.deaf = true
  await broker.publish(room, 2)
  await broker.publish(room, 3)
  await clock.advanceAsync(100)
  await settled()
  t.same(peer.data, [1, 2, 3])
})

t.test('[P-4.5] another epoch: a gap, and the new log from its first record', async (t) => {
  const { own, broker, control } = await openRemote()
  const peer = await own(to(1))
  await broker.publish(room, 'old')
  await settled()
  const old = (await broker.history(room)).head.epoch
  control.page = (page) => ({ ...page, epoch: 'new' })
  control.deaf = true
  await broker.publish(room, 'lost or not')
  control.listeners[0]?.records({ epoch: 'new', from: 2, records: [{ body: Buffer.from('{"id":"x","qos":1,"timestamp":1,"data":1}'), qos: 1 }] })
  await settled()
  t.match(peer.all('gap'), [{ reason: 'epoch', from: null, count: null, position: { epoch: 'new', offset: 0 } }])
  t.same(peer.data, ['old', 'old', 'lost or not'])
  await peer.send({ type: 'ack', positions: [{ channel: room, epoch: old, offset: 1 }, { channel: room, epoch: 'new', offset: 2 }] })
  t.equal(broker.stats().ignoredAcks, 1)
  const atMostOnce = await own(to(0))
  control.page = (page) => ({ ...page, epoch: 'newest' })
  control.listeners.at(-1)?.interrupted()
  await settled()
  t.equal(atMostOnce.all('gap').length, 0)
  t.equal(peer.all('gap').length, 2)
})

t.test('[P-4.5] another epoch that is heard of while a page of the one before is on its way is not forgotten', async (t) => {
  const { own, broker, control } = await openRemote()
  const peer = await own(to(1))
  control.deaf = true
  await broker.publish(room, 'old')
  const [fresh] = control.listeners
  let arrive = (): void => {}
  control.page = async (page) => {
    if (page.records.length > 0) await new Promise<void>((resolve) => { arrive = resolve })
    return page
  }
  fresh?.interrupted()
  await settled()
  control.page = (page) => ({ ...page, epoch: 'new' })
  fresh?.records({ epoch: 'new', from: 1, records: [{ body: Buffer.from('{"id":"x","qos":1,"timestamp":1,"data":1}'), qos: 1 }] })
  await settled()
  t.equal(peer.all('gap').length, 0)
  arrive()
  await settled()
  t.match(peer.all('gap'), [{ reason: 'epoch', position: { epoch: 'new', offset: 0 } }])
})

t.test('an acknowledgement while a page is being read is not followed by what it covers', async (t) => {
  const { own, broker, control } = await openRemote()
  control.deaf = true
  for (let i = 1; i <= 3; i++) await broker.publish(room, i)
  const { epoch } = (await broker.history(room)).head
  let acknowledge = () => {}
  control.page = (page) => { if (page.records.length > 0) acknowledge(); return page }
  const peer = await own()
  acknowledge = () => peer.connection.receive(JSON.stringify({ type: 'ack', positions: [{ channel: room, epoch, offset: 2 }] }))
  await peer.send({ type: 'subscribe', id: 1, channel: room, qos: 1, rewind: 3 })
  t.same(peer.data, [3])
})
