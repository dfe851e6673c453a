import t from 'tap'
import { Turns } from '../../lib/connection/turns.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { openNode, overStorage, settled } from '../helpers/node.js'

const room = 'room/1'
const ack = (epoch: string, offset: number, channel = room) => ({ type: 'ack', positions: [{ channel, epoch, offset }] })

t.test('[P-3.2] subscribe: rewind, position, verdicts', async (t) => {
  const { own, broker } = await openNode({ channels: { 'room/:id': { history: { limit: 3 } } } })
  for (let i = 1; i <= 5; i++) await broker.publish(room, i)
  const { epoch } = (await broker.history(room)).head
  const peer = await own()
  const subscribe = async (options: object) => {
    const fresh = await own()
    await fresh.send({ type: 'subscribe', id: 1, channel: room, qos: 1, ...options })
    return { answer: fresh.last('subscribed'), data: fresh.data }
  }
  t.match(await subscribe({}), { answer: { verdict: 'started', position: { epoch, offset: 5 } }, data: [] })
  t.match(await subscribe({ rewind: 2 }), { answer: { verdict: 'started', position: { epoch, offset: 3 } }, data: [4, 5] })
  t.match(await subscribe({ rewind: 100 }), { answer: { verdict: 'started', position: { epoch, offset: 2 } }, data: [3, 4, 5] })
  t.match(await subscribe({ position: { epoch, offset: 4 }, rewind: 3 }), { answer: { verdict: 'resumed', position: { epoch, offset: 4 } }, data: [5] })
  t.match(await subscribe({ position: { epoch, offset: 0 } }), { answer: { verdict: 'lost', gap: { reason: 'retention', from: 1, to: 2, count: 2 } }, data: [3, 4, 5] })
  t.match(await subscribe({ position: { epoch: 'old', offset: 9 } }), { answer: { verdict: 'lost', gap: { reason: 'epoch', count: null } }, data: [3, 4, 5] })
  t.match(await subscribe({ qos: 0, rewind: 2 }), { answer: { verdict: 'started' }, data: [4, 5] })
  t.match(await subscribe({ qos: 0, position: { epoch, offset: 1 } }), { answer: { verdict: 'resumed', position: { offset: 5 } }, data: [] })
  await peer.send({ type: 'subscribe', id: 4, channel: 'nowhere', qos: 1 })
  t.match(peer.last('error'), { id: 4, channel: 'nowhere', code: 'PUSH_CHANNEL_UNKNOWN' })
})

t.test('[P-3.3] subscribing again changes the one subscription there is', async (t) => {
  const { own, broker, service } = await openNode()
  const peer = await own({ subscriptions: [{ channel: room, qos: 0 }] })
  await peer.send({ type: 'subscribe', id: 1, channel: room, qos: 2 })
  t.equal(service.subscriptions, 1)
  t.match(peer.last('subscribed'), { qos: 2 })
  await broker.publish(room, 'once', { qos: 2 })
  await settled()
  t.same(peer.data, ['once'])
  const { epoch } = (await broker.history(room)).head
  await peer.send({ type: 'subscribe', id: 2, channel: room, qos: 1, position: { epoch, offset: 0 } })
  t.same(peer.data, ['once', 'once'], 'from the given position')
})

t.test('[P-3.5] unsubscribe ends it and forgets the cursor', async (t) => {
  const { own, broker } = await openNode()
  const hello = { clientId: 'phone', subscriptions: [{ channel: room, qos: 1 }] }
  const peer = await own(hello)
  await peer.send({ type: 'unsubscribe', id: 8, channel: room })
  t.same(peer.last('unsubscribed'), { type: 'unsubscribed', id: 8, channel: room })
  await broker.publish(room, 1)
  await settled()
  t.same(peer.data, [])
  t.equal(broker.stats().channels, 0)
  await peer.cut()
  t.match((await own(hello)).last('welcome')?.subscriptions, [{ verdict: 'started', position: { offset: 1 } }])
  await peer.send({ type: 'unsubscribe', id: 9, channel: 'room/2' })
})

t.test('requests for one channel are served in their order, whatever takes how long', async (t) => {
  let proceed = () => {}
  const { own, service } = await openNode({ authorize: ({ channel }) => channel !== room || new Promise((resolve) => { proceed = () => resolve(true) }) })
  const peer = await own()
  await peer.send({ type: 'subscribe', id: 1, channel: room, qos: 1 }, { type: 'unsubscribe', id: 2, channel: room }, { type: 'subscribe', id: 3, channel: 'room/2', qos: 1 })
  t.same(peer.all('subscribed').map(({ id }) => id), [3], 'another channel does not wait')
  proceed()
  await settled()
  t.same(peer.all('subscribed').map(({ id }) => id), [3, 1])
  t.equal(peer.last('unsubscribed')?.id, 2)
  t.equal(service.subscriptions, 1)
})

t.test('more requests than may wait', async (t) => {
  const { own } = await openNode({ authorize: () => new Promise(() => {}), limits: { subscriptions: 2000 } })
  const peer = await own()
  const request = { type: 'subscribe', id: 1, channel: room, qos: 1 }
  await peer.send(...Array(2000).fill(request))
  t.equal(peer.socket.ending, null)
  await peer.send(request)
  t.same(peer.socket.ending, { code: 4429, reason: 'PUSH_TOO_MANY' })
})

t.test('turns: one after the other by key, whatever becomes of the one before', async (t) => {
  const turns = new Turns()
  const order: string[] = []
  const work = (name: string, fails = false) => async () => {
    order.push(`${name} begins`)
    await settled()
    order.push(`${name} ends`)
    if (fails) throw new Error(name)
  }
  const failing = turns.run('a', work('a1', true))
  const rest = [turns.run('a', work('a2')), turns.run('b', work('b1'))]
  t.equal(turns.waiting, 3)
  await t.rejects(failing, { message: 'a1' })
  await Promise.all(rest)
  t.ok(order.indexOf('a2 begins') > order.indexOf('a1 ends'))
  t.ok(order.indexOf('b1 begins') < order.indexOf('a1 ends'))
  t.equal(turns.waiting, 0)
})

t.test('[P-4.7] the window: so many unacknowledged, then it waits', async (t) => {
  const { own, broker, service } = await openNode({ limits: { window: 4 } })
  const peer = await own({ subscriptions: [{ channel: room, qos: 1 }] })
  for (let i = 1; i <= 10; i++) {
    await broker.publish(room, i)
    await settled()
  }
  t.same(peer.data, [1, 2, 3, 4])
  const { epoch } = (await broker.history(room)).head
  await peer.send(ack(epoch, 2))
  t.same(peer.data, [1, 2, 3, 4, 5, 6])
  await peer.send(ack(epoch, 6))
  t.same(peer.data, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  t.equal(service.subscriptions, 1)
})

t.test('[P-4.6] one frame acknowledges many channels; [P-4.7] one beyond the head moves nothing', async (t) => {
  const { own, broker, storage } = await openNode()
  const peer = await own({ clientId: 'c', subscriptions: [{ channel: room, qos: 1 }, { channel: 'room/2', qos: 1 }] })
  const one = (await broker.publish(room, 1)).position
  const two = (await broker.publish('room/2', 1)).position
  await settled()
  await peer.send({ type: 'ack', positions: [{ channel: room, ...one }, { channel: 'room/2', epoch: two?.epoch, offset: 2 }] })
  t.same(await storage.cursors.load(room, '/c/c'), one)
  t.match(await storage.cursors.load('room/2', '/c/c'), { offset: 0 })
  t.equal(broker.stats().ignoredAcks, 1)
})

t.test('[P-4.7] an acknowledgement of what an earlier connection sent moves the cursor', async (t) => {
  const { own, broker } = await openNode({ limits: { window: 2 } })
  for (let i = 1; i <= 8; i++) await broker.publish(room, i)
  const { epoch } = (await broker.history(room)).head
  const peer = await own({ subscriptions: [{ channel: room, qos: 1, rewind: 8 }] })
  t.same(peer.data, [1, 2])
  await peer.send(ack(epoch, 6))
  t.same(peer.data, [1, 2, 7, 8])
})

t.test('[P-4.9] drop informs only', async (t) => {
  const { own, broker } = await openNode()
  const peer = await own({ subscriptions: [{ channel: room, qos: 1 }] })
  const drop = (channel: string) => ({ type: 'drop', channel, epoch: 'e', offset: 1 })
  await peer.send(drop(room), drop('room/2'))
  t.equal(broker.stats().givenUp, 1)
})

t.test('[P-6.1] history', async (t) => {
  const { own, broker } = await openNode({ authorize: ({ action, channel }) => action !== 'history' || channel !== 'room/secret' })
  for (let i = 1; i <= 5; i++) await broker.publish(room, i, { id: `m${i}` })
  const { epoch } = (await broker.history(room)).head
  const peer = await own()
  const ask = async (options: object) => {
    await peer.send({ type: 'history', id: 1, channel: room, ...options })
    return peer.last('history')
  }
  t.match(await ask({ limit: 2, reverse: true }), { epoch, head: 5, next: { epoch, offset: 4 }, messages: [{ offset: 5, id: 'm5', data: 5 }, { offset: 4 }] })
  t.match(await ask({ limit: 2, reverse: true, before: { epoch, offset: 2 } }), { next: null, messages: [{ offset: 1 }] })
  t.match(await ask({ limit: 2, after: { epoch, offset: 1 } }), { next: { offset: 3 }, messages: [{ offset: 2 }, { offset: 3 }] })
  for (const [channel, code] of [['quiet/1', 'PUSH_NO_HISTORY'], ['room/secret', 'PUSH_FORBIDDEN'], ['nowhere', 'PUSH_CHANNEL_UNKNOWN']] as const) {
    await ask({ channel })
    t.match(peer.last('error'), { id: 1, channel, code })
  }
  peer.socket.full = true
  await peer.send({ type: 'ping' })
  const pages = peer.all('history').length
  await ask({})
  t.equal(peer.all('history').length, pages, 'a peer that does not read gets no more pages')
  await peer.drain()
  t.equal(peer.all('history').length, pages + 1, 'until it does')
})

t.test('an error without a code is logged and told as PUSH_INTERNAL', async (t) => {
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), { log: (original) => ({ read: async (...args) => { if (args[0] === 'room/bad') throw new Error('secret detail'); return original.read(...args) } }) })
  const { own } = await openNode({ storage, clock })
  const peer = await own()
  await peer.send({ type: 'subscribe', id: 5, channel: 'room/bad', qos: 1 })
  t.match(peer.last('error'), { id: 5, code: 'PUSH_INTERNAL' })
  t.notMatch(JSON.stringify(peer.last('error')), 'secret detail')
})

t.test('back-pressure: a full socket pauses, a drained one goes on without loss', async (t) => {
  const { own, broker, service } = await openNode()
  const peer = await own({ subscriptions: [{ channel: room, qos: 1 }, { channel: 'room/2', qos: 0 }, { channel: 'quiet/1', qos: 1 }] })
  peer.socket.full = true
  await broker.publish(room, 1)
  await settled()
  t.same(peer.data, [1], 'what filled it')
  for (let i = 2; i <= 5; i++) await broker.publish(room, i)
  await broker.publish('room/2', 'missed')
  await broker.publish('quiet/1', 'missed', { qos: 0 })
  await settled()
  t.same(peer.data, [1])
  t.equal(broker.stats().dropped, 2)
  await peer.drain()
  t.same(peer.data, [1, 2, 3, 4, 5])
  await peer.drain()
  peer.socket.full = true
  peer.socket.buffered = 65 * 1024 * 1024
  await peer.send({ type: 'ping' })
  t.equal(peer.socket.ending, 'terminated', 'one that only asks and never reads is dropped')
  t.equal(service.size, 0)
})

t.test('a page that was read while the room went to others is read again', async (t) => {
  const clock = new ManualClock()
  const held: (() => void)[] = []
  let holding = false
  const storage = overStorage(memoryStorage({ clock }), {
    log: (original) => ({
      read: async (...args) => {
        if (holding) await new Promise<void>((resolve) => { held.push(resolve) })
        return original.read(...args)
      }
    })
  })
  const { own, broker } = await openNode({ storage, clock, limits: { window: 1 } })
  const peer = await own({ subscriptions: [{ channel: room, qos: 1 }] })
  const { position } = await broker.publish(room, 1)
  await broker.publish(room, 2)
  await settled()
  holding = true
  await peer.send(ack(position?.epoch ?? '', 1))
  peer.socket.full = true
  await peer.send({ type: 'ping' })
  holding = false
  held.forEach((proceed) => proceed())
  await settled()
  t.notOk(peer.data.includes(2))
  await peer.drain()
  t.same(peer.data, [1, 2])
})
