import t from 'tap'
import { Counters } from '../../lib/broker/counters.js'
import { InboxWatch } from '../../lib/broker/inbox-watch.js'
import { PushError } from '../../lib/core/errors.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { InboxListener } from '../../types/options.js'
import { openNode, overStorage, settled } from '../helpers/node.js'

const alice = { userId: 'alice' }
const inbox = (qos = 1) => ({ subscriptions: [{ channel: '$inbox', qos }] })
const phone = { clientId: 'phone', ...inbox() }
const laptop = { clientId: 'laptop', ...inbox() }
const ack = (epoch: string, offset: number) => ({ type: 'ack', positions: [{ channel: '$inbox', epoch, offset }] })

t.test('[P-6.3] what is sent to a user reaches each of the user\'s clients, and nobody else', async (t) => {
  const { own, broker } = await openNode()
  const peers = [await own(phone, alice), await own(laptop, alice), await own(inbox(), { userId: 'bob' })]
  const { position, duplicate } = await broker.send('alice', { text: 'hi' })
  await settled()
  t.match(position, { offset: 1 })
  t.equal(duplicate, false)
  t.same(peers.map(({ data }) => data), [[{ text: 'hi' }], [{ text: 'hi' }], []])
  t.equal(peers[0]?.last('messages')?.channel, '$inbox')
})

t.test('[P-6.3] the inbox of nobody, and of others', async (t) => {
  const { own, hello } = await openNode()
  const nobody = await hello(inbox())
  t.match(nobody.last('welcome')?.subscriptions, [{ channel: '$inbox', code: 'PUSH_FORBIDDEN' }])
  const peer = await own({}, alice)
  for (const [id, channel] of ['$inbox/bob', '$inbox/alice', '$', '$inbox/'].entries()) await peer.send({ type: 'subscribe', id, channel, qos: 1 })
  t.same(peer.all('error').map(({ code }) => code), Array(4).fill('PUSH_CHANNEL_INVALID'))
  await peer.send({ type: 'publish', channel: '$inbox', qos: 1, publisher: 'x'.repeat(22), sequence: 1, data: 1 })
  t.match(peer.last('refused'), { code: 'PUSH_CHANNEL_INVALID' })
  await peer.send({ type: 'history', id: 9, channel: '$inbox' })
  t.match(peer.last('history'), { channel: '$inbox', messages: [] })
})

t.test('a client that was away gets what it missed, once and in order; another one has had it', async (t) => {
  const { own, broker, clock } = await openNode()
  const away = await own(phone, alice)
  await away.cut()
  const there = await own(laptop, alice)
  for (let i = 1; i <= 3; i++) await broker.send('alice', i)
  await settled()
  await there.send(ack(there.last('messages')?.epoch ?? '', 3))
  clock.advance(7 * 3600_000)
  const back = await own(phone, alice)
  t.same(back.data, [1, 2, 3])
  t.same(there.data, [1, 2, 3])
})

t.test('a new client starts at what no client of the user has acknowledged, also when that one is gone for good', async (t) => {
  const { own, broker } = await openNode()
  for (let i = 1; i <= 4; i++) await broker.send('alice', i)
  const first = await own(phone, alice)
  t.same(first.data, [1, 2, 3, 4], 'from the first one, where nobody has acknowledged any')
  await first.send(ack(first.last('messages')?.epoch ?? '', 2))
  await settled()
  const second = await own(laptop, alice)
  t.same(second.data, [3, 4])
  await first.send({ type: 'unsubscribe', id: 1, channel: '$inbox' })
  await second.cut()
  const third = await own({ clientId: 'watch', ...inbox() }, alice)
  t.same(third.data, [3, 4])
})

t.test('where a new client started is kept, though it acknowledged nothing', async (t) => {
  const { own, broker } = await openNode()
  await broker.send('alice', 1)
  const first = await own(phone, alice)
  await first.send(ack(first.last('messages')?.epoch ?? '', 1))
  await settled()
  await (await own(laptop, alice)).cut()
  await broker.send('alice', 2)
  await first.send(ack(first.last('messages')?.epoch ?? '', 2))
  await settled()
  t.same((await own(laptop, alice)).data, [2])
})

t.test('a client that says where it stands goes on from there, though its cursor is gone and another client has had more', async (t) => {
  const { own, broker, clock } = await openNode({ session: { namedTtl: '1h' } })
  const away = await own(phone, alice)
  for (let i = 1; i <= 3; i++) await broker.send('alice', i)
  await settled()
  const epoch = away.last('messages')?.epoch ?? ''
  await away.send(ack(epoch, 1))
  await away.cut()
  const there = await own(laptop, alice)
  await there.send(ack(epoch, 3))
  await settled()
  clock.advance(2 * 3600_000)
  const back = await own({ clientId: 'phone', subscriptions: [{ channel: '$inbox', qos: 1, position: { epoch, offset: 1 } }] }, alice)
  t.same(back.data, [2, 3])
})

t.test('acknowledgements of several clients in one turn: the furthest counts', async (t) => {
  const { own, broker } = await openNode()
  const one = await own(phone, alice)
  const two = await own(laptop, alice)
  for (let i = 1; i <= 3; i++) await broker.send('alice', i)
  await settled()
  const epoch = one.last('messages')?.epoch ?? ''
  one.connection.receive(JSON.stringify(ack(epoch, 3)))
  two.connection.receive(JSON.stringify(ack(epoch, 1)))
  await settled()
  t.equal(await broker.unread('alice'), 0)
})

t.test('beyond what the inbox keeps there is a gap', async (t) => {
  const { own, broker } = await openNode({ inbox: { limit: 2 } })
  await (await own(phone, alice)).cut()
  for (let i = 1; i <= 5; i++) await broker.send('alice', i)
  const back = await own(phone, alice)
  t.match(back.last('welcome')?.subscriptions, [{ verdict: 'lost', gap: { reason: 'retention', from: 1, to: 3, count: 3 } }])
  t.same(back.data, [4, 5])
})

t.test('[P-6.4] unread: of the user, of a client, of a channel', async (t) => {
  const { own, broker, clock } = await openNode()
  t.equal(await broker.unread('alice'), 0)
  await broker.send('alice', 1)
  await broker.send('alice', 2, { ttl: 1000 })
  await broker.send('alice', 3)
  t.equal(await broker.unread('alice'), 3)
  clock.advance(1000)
  t.equal(await broker.unread('alice'), 2, 'what has run out does not count')
  const reader = await own(phone, alice)
  await reader.send(ack(reader.last('messages')?.epoch ?? '', 3))
  t.equal(await broker.unread('alice'), 0)
  const unread = async (peer: typeof reader, channel: string) => {
    await peer.send({ type: 'unread', id: 1, channel })
    return peer.last('unread')?.count
  }
  t.equal(await unread(reader, '$inbox'), 0)
  const room = { clientId: 'phone', subscriptions: [{ channel: 'room/1', qos: 1 }] }
  await (await own(room, alice)).cut()
  for (let i = 1; i <= 300; i++) await broker.publish('room/1', i)
  const back = await own({ clientId: 'phone' }, alice)
  t.equal(await unread(back, 'room/1'), 300)
  t.equal(await unread(back, 'room/2'), 0, 'it never subscribed')
  await back.send({ type: 'unread', id: 2, channel: 'nowhere' })
  t.match(back.last('error'), { id: 2, code: 'PUSH_CHANNEL_UNKNOWN' })
})

t.test('unread counts no further than a page of history', async (t) => {
  const { broker } = await openNode({ limits: { historyPage: 10 } })
  for (let i = 1; i <= 15; i++) await broker.send('alice', i)
  t.equal(await broker.unread('alice'), 10)
})

t.test('wrong users', async (t) => {
  const { broker, failures } = await openNode()
  for (const userId of ['', 'x'.repeat(257), '\ud800', 7, null]) {
    await t.rejects(broker.send(userId as string, 1), { code: 'PUSH_INVALID' })
    await t.rejects(broker.unread(userId as string), { code: 'PUSH_INVALID' })
  }
  t.equal(failures.length, 5)
  const strange = 'a/b %$ü\n'
  await broker.send(strange, 1)
  t.equal(await broker.unread(strange), 1)
})

t.test('a message that waits too long, and one that waits in vain', async (t) => {
  const told: [string, unknown][] = []
  const listen = (what: string): InboxListener => ({ userId, message }) => { told.push([`${what} ${userId} ${message.id}`, message.data]) }
  const { own, broker, clock, errors } = await openNode({ inbox: { notifyAfter: '10s', onWaiting: listen('waiting'), onExpired: listen('expired') } })
  await broker.send('alice', 1, { id: 'kept' })
  await broker.send('alice', 1, { id: 'kept' }) // a repeat is not watched
  await broker.send('alice', 2, { id: 'brief', ttl: '5s' })
  await broker.send('alice', 3, { id: 'long', ttl: '20s' })
  const bob = await own(inbox(), { userId: 'bob' })
  await broker.send('bob', 4, { ttl: '20s' })
  await settled()
  await bob.send(ack(bob.last('messages')?.epoch ?? '', 1))
  await clock.advanceAsync(4999)
  t.same(told, [])
  await clock.advanceAsync(1)
  t.same(told.splice(0), [['expired alice brief', 2]])
  await clock.advanceAsync(5000)
  t.same(told.splice(0), [['waiting alice kept', 1], ['waiting alice long', 3]])
  await clock.advanceAsync(10_000)
  t.same(told.splice(0), [['expired alice long', 3]])
  t.same(errors, [])
  await broker.send('alice', 5)
  await bob.cut()
  await broker.close()
  t.equal(clock.pending, 0)
})

t.test('a listener that throws is logged, and the others are told', async (t) => {
  let told = 0
  const { broker, clock, errors } = await openNode({ inbox: { onWaiting: () => { told++; throw new Error('no') } } })
  await broker.send('alice', 1)
  await broker.send('alice', 2)
  await clock.advanceAsync(30_000)
  t.equal(told, 2)
  t.match(errors, [{ message: 'no' }, { message: 'no' }])
})

t.test('what waits for its ttl leaves room for what waits for a client, and is let go of once it is acknowledged', async (t) => {
  let [waiting, expired] = [0, 0]
  const clock = new ManualClock()
  const { broker } = await openNode()
  const of = (userId: string) => broker.channels.inbox(userId)
  const counters = new Counters()
  const errors: unknown[] = []
  const { log, cursors } = memoryStorage({ clock })
  const watch = new InboxWatch({ log, cursors, clock, counters, notifyAfter: 1000, timeout: 1000, onWaiting: () => { waiting++ }, onExpired: () => { expired++ }, onError: (error) => { errors.push(error) } })
  const body = Buffer.from('{}')
  for (let i = 1; i <= 100_000; i++) watch.watch(of('alice'), { epoch: 'e', offset: i }, body, 900)
  t.equal(counters.unwatched, 0)
  watch.watch(of('alice'), { epoch: 'e', offset: 100_001 }, body, 900)
  t.equal(counters.unwatched, 1)
  watch.watch(of('bob'), { epoch: 'e', offset: 1 }, body)
  t.equal(counters.unwatched, 1, 'the other list has room')
  watch.acknowledged(of('alice').name, { epoch: 'e', offset: 99_999 })
  for (let i = 100_002; i <= 100_010; i++) watch.watch(of('alice'), { epoch: 'e', offset: i }, body, 900)
  t.equal(counters.unwatched, 1)
  const large = new Uint8Array(32 * 1024 * 1024)
  for (let i = 1; i <= 3; i++) watch.watch(of('carol'), { epoch: 'e', offset: i }, large, 900)
  t.equal(counters.unwatched, 3, 'nor are the bodies kept without bound')
  t.match(errors.splice(0), [{ code: 'PUSH_BUSY' }], 'which is said once')
  watch.close()
  t.equal(clock.pending, 0)
  t.same([waiting, expired], [0, 0])
})

t.test('the body of a message that waits for its ttl keeps nothing else alive', async (t) => {
  const clock = new ManualClock()
  const { broker } = await openNode()
  const told: unknown[] = []
  const storage = memoryStorage({ clock })
  const { log, cursors } = storage
  await storage.open({ onError: (error) => { throw error } })
  const watch = new InboxWatch({ log, cursors, clock, counters: new Counters(), notifyAfter: 1000, timeout: 1000, onWaiting: undefined, onExpired: ({ message }) => { told.push(message.data) }, onError: (error) => { throw error } })
  const text = '{"id":"a","qos":1,"timestamp":1,"data":"whole"}'
  const pool = Buffer.alloc(8192)
  const body = pool.subarray(0, pool.write(text))
  watch.watch(broker.channels.inbox('alice'), { epoch: 'e', offset: 1 }, body, 900)
  pool.fill(0) // where it lay is another's
  await clock.advanceAsync(900)
  t.same(told, ['whole'])
})

t.test('messages that are due at once are looked at a hundred at a time, and a listener that never ends holds up no other', async (t) => {
  let [reads, most] = [0, 0]
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), {
    cursors: (original) => ({
      load: async (...args) => {
        most = Math.max(most, ++reads)
        await new Promise(setImmediate)
        reads--
        return original.load(...args)
      }
    })
  })
  const told: string[] = []
  const { broker, errors } = await openNode({ storage, clock, inbox: { onWaiting: ({ userId }) => { told.push(userId); return userId.startsWith('stuck') ? new Promise(() => {}) : 1 } } })
  for (let i = 0; i < 100; i++) await broker.send(`stuck${i}`, 1)
  for (let i = 0; i < 500; i++) await broker.send(`user${i}`, 1)
  await clock.advanceAsync(30_000)
  await settled()
  t.equal(told.length, 100)
  await clock.advanceAsync(5000)
  for (let i = 0; i < 10; i++) await settled()
  t.equal(told.length, 600)
  t.equal(most, 100)
  t.equal(errors.length, 100)
  t.match(errors[0], { code: 'PUSH_UNAVAILABLE' })
})

t.test('a message whose moment comes while the storage is away is told once it is back, unless it was acknowledged by then', async (t) => {
  const clock = new ManualClock()
  let isAway = false
  const orFail = async <Result> (work: () => Promise<Result>): Promise<Result> => {
    if (isAway) throw new PushError('PUSH_STORAGE_UNAVAILABLE')
    return work()
  }
  const storage = overStorage(memoryStorage({ clock }), {
    cursors: (original) => ({ load: (...args) => orFail(() => original.load(...args)) }),
    log: (original) => ({ read: (...args) => orFail(() => original.read(...args)) })
  })
  const told: string[] = []
  const listen = (what: string): InboxListener => ({ message }) => { told.push(`${what} ${String(message.data)}`) }
  const { own, broker, errors } = await openNode({ storage, clock, inbox: { notifyAfter: '10s', onWaiting: listen('waiting'), onExpired: listen('expired') } })
  const bob = await own(inbox(), { userId: 'bob' })
  for (const userId of ['alice', 'bob']) await broker.send(userId, userId)
  await broker.send('alice', 'brief', { ttl: '9s' })
  await settled()
  isAway = true
  await clock.advanceAsync(60_000)
  t.same(told, [])
  t.match(errors, Array(3).fill({ code: 'PUSH_STORAGE_UNAVAILABLE' }), 'which is said once of each')
  await bob.send(ack(bob.last('messages')?.epoch ?? '', 1))
  isAway = false
  await clock.advanceAsync(5000)
  t.same(told.sort(), ['expired brief', 'waiting alice'])
  await clock.advanceAsync(60_000)
  t.equal(told.length, 2)
  await broker.send('alice', 'last')
  isAway = true
  await clock.advanceAsync(10_000)
  await bob.cut()
  await broker.close()
  t.equal(clock.pending, 0)
})

t.test('a message that the inbox keeps no longer has nothing to tell', async (t) => {
  const { broker, clock, errors } = await openNode({ inbox: { limit: 1, onWaiting: ({ message }) => t.equal(message.data, 2) } })
  await broker.send('alice', 1)
  await broker.send('alice', 2)
  t.plan(2)
  await clock.advanceAsync(30_000)
  t.same(errors, [])
})
