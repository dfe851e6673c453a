import t from 'tap'
import type { SlowPolicy } from '../../types/options.js'
import { openNode, settled } from '../helpers/node.js'

const room = 'room/1'
const to = (qos: number) => ({ subscriptions: [{ channel: room, qos }] })
const slowNode = (slow: SlowPolicy, limits = {}) => openNode({ channels: { 'room/:id': { history: true, slow } }, limits })

t.test('catch-up: whoever was slow gets everything from the log', async (t) => {
  const { own, broker } = await slowNode('catch-up')
  const peer = await own(to(1))
  peer.socket.full = true
  for (let i = 1; i <= 300; i++) await broker.publish(room, i)
  await settled()
  await peer.drain()
  t.same(peer.data, Array.from({ length: 256 }, (_, i) => i + 1), 'as far as its window goes')
  const { epoch } = (await broker.history(room)).head
  await peer.send({ type: 'ack', positions: [{ channel: room, epoch, offset: 256 }] })
  t.equal(peer.data.length, 300)
  t.same([broker.stats().gaps, broker.stats().dropped], [0, 0])
})

t.test('drop: what a full connection did not take is passed over, and told once', async (t) => {
  const { own, broker, clock } = await slowNode('drop')
  const peer = await own(to(1))
  await broker.publish(room, 1)
  await settled()
  peer.socket.full = true
  await broker.publish(room, 2) // the write that finds it full
  await settled()
  for (let i = 3; i <= 7; i++) { await broker.publish(room, i); await settled(); clock.advance(1250) }
  await peer.drain()
  await broker.publish(room, 8)
  await settled()
  t.same(peer.data, [1, 2, 8])
  t.match(peer.all('gap'), [{ reason: 'slow', from: 3, to: 7, count: 5, position: { offset: 7 } }])
  t.same([broker.stats().gaps, broker.stats().dropped], [1, 5])
})

t.test('drop: a window that is full counts too', async (t) => {
  const { own, broker, clock } = await slowNode('drop', { window: 2 })
  const peer = await own(to(1))
  for (let i = 1; i <= 5; i++) { await broker.publish(room, i); await settled(); clock.advance(2500) }
  t.same(peer.data, [1, 2])
  const { epoch } = (await broker.history(room)).head
  await peer.send({ type: 'ack', positions: [{ channel: room, epoch, offset: 2 }] })
  t.match(peer.all('gap'), [{ reason: 'slow', from: 3, to: 5, count: 3 }])
  await broker.publish(room, 6)
  await settled()
  t.same(peer.data, [1, 2, 6])
})

t.test('drop: whoever finds room in time is not slow, however much came at once', async (t) => {
  const { own, broker, clock } = await slowNode('drop', { window: 2 })
  const peer = await own(to(1))
  await Promise.all([1, 2, 3, 4, 5].map((i) => broker.publish(room, i)))
  await settled()
  clock.advance(4999)
  await broker.publish(room, 6)
  await settled()
  const { epoch } = (await broker.history(room)).head
  for (let offset = 2; offset <= 6; offset += 2) {
    clock.advance(1000) // goes on steadily, though it stays behind
    await peer.send({ type: 'ack', positions: [{ channel: room, epoch, offset }] })
  }
  t.same(peer.data, [1, 2, 3, 4, 5, 6])
  t.equal(peer.all('gap').length, 0)
})

t.test('drop: what waited for an absent client is not for dropping', async (t) => {
  const { own, broker, clock } = await slowNode('drop', { window: 2 })
  const hello = { clientId: 'alice', ...to(1) }
  const first = await own(hello)
  await first.cut()
  for (let i = 1; i <= 5; i++) await broker.publish(room, i)
  const peer = await own(hello)
  const { epoch } = (await broker.history(room)).head
  for (let offset = 2; offset <= 4; offset += 2) {
    await broker.publish(room, 5 + offset) // comes while the window is shut by the past
    await settled()
    clock.advance(5000)
    await peer.send({ type: 'ack', positions: [{ channel: room, epoch, offset }] })
  }
  t.same(peer.data, [1, 2, 3, 4, 5, 7])
  t.equal(peer.all('gap').length, 0)
})

t.test('disconnect: a full connection is dropped, and its client goes on from its cursor', async (t) => {
  const { own, broker, service, clock } = await slowNode('disconnect')
  const hello = { clientId: 'alice', ...to(1) }
  const peer = await own(hello)
  peer.socket.full = true
  await broker.publish(room, 1)
  await settled()
  await broker.publish(room, 2)
  await settled()
  clock.advance(5000)
  t.equal(peer.socket.ending, null)
  await broker.publish(room, 3)
  await settled()
  t.equal(peer.socket.ending, 'terminated')
  t.same([service.size, broker.stats().slowReaders], [0, 1])
  const again = await own(hello)
  t.same(again.data, [1, 2, 3])
})

t.test('disconnect: where only the window is full, with a goodbye', async (t) => {
  const { own, broker, clock } = await slowNode('disconnect', { window: 1, slowAfter: '1s' })
  const peer = await own(to(1))
  for (let i = 1; i <= 3; i++) { await broker.publish(room, i); await settled(); clock.advance(1000) }
  t.match(peer.socket.ending, { code: 4429 })
  t.match(peer.last('goodbye'), { code: 'PUSH_TOO_MANY', limit: 'slowAfter' })
  t.equal(broker.stats().slowReaders, 1)
})

t.test('QoS 0 is dropped and counted whatever the policy', async (t) => {
  const { own, broker } = await slowNode('disconnect')
  const peer = await own(to(0))
  peer.socket.full = true
  for (let i = 1; i <= 4; i++) { await broker.publish(room, i); await settled() }
  t.equal(peer.socket.ending, null)
  t.equal(broker.stats().dropped, 3)
})
