import t from 'tap'
import type { Identity } from '../../types/index.js'
import { PushError } from '../../lib/core/errors.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { FakePeer, openNode, settled, type NodeOptions } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'

const expired = { code: 4440, reason: 'PUSH_EXPIRED' }

/** A node, and who is behind each token. */
async function make (options: NodeOptions = {}) {
  const node = await openNode(options)
  const identities = new Map<string, Identity | null | Error | Promise<Identity>>()
  const asked: (string | undefined)[] = []
  const authenticate = async (token: string | undefined): Promise<Identity | null> => {
    asked.push(token)
    const identity = await identities.get(token ?? '')
    if (identity instanceof Error) throw identity
    return identity ?? null
  }
  const connect = async (token: string, more: object = {}): Promise<FakePeer> => {
    const peer = new FakePeer(node.service, null, { authenticate })
    await peer.send({ type: 'hello', session: secret(), token, ...more })
    return peer.send({ type: 'ping' })
  }
  const inMs = (ms: number) => node.clock.timestamp() + ms
  return { ...node, identities, asked, connect, inMs }
}

t.test('[P-2.9] a connection ends with its identity', async (t) => {
  const { identities, connect, clock, inMs, broker, service } = await make()
  identities.set('number', { userId: 'alice', expiresAt: inMs(10_000) })
  identities.set('date', { userId: 'alice', expiresAt: new Date(inMs(10_000)) })
  identities.set('fraction', { userId: 'alice', expiresAt: inMs(10_000) + 0.9 })
  identities.set('never', { userId: 'alice' })
  const ending = await Promise.all(['number', 'date', 'fraction'].map((token) => connect(token, { subscriptions: [{ channel: 'news', qos: 1 }] })))
  const other = await connect('never', { subscriptions: [{ channel: 'news', qos: 1 }] })
  for (const peer of ending) t.equal(peer.last('welcome')?.expiresIn, 10_000)
  t.notOk('expiresIn' in (other.last('welcome') as object))
  await clock.advanceAsync(9999)
  await broker.publish('news', 'before')
  await settled()
  await clock.advanceAsync(1)
  await broker.publish('news', 'after')
  await settled()
  for (const peer of ending) {
    t.same(peer.data, ['before'])
    t.same(peer.socket.ending, expired)
    t.match(peer.socket.frames.at(-1), { type: 'goodbye', code: 'PUSH_EXPIRED' })
    t.notOk('after' in (peer.last('goodbye') as object), 'it may come back at once')
    await peer.cut()
  }
  t.same(other.data, ['before', 'after'])
  t.equal(service.expiry.size, 0)
})

t.test('nothing gets out or in after its end, however late the timer is', async (t) => {
  // The clock goes on, and no timer runs: as in a process that is busy.
  class BusyClock extends ManualClock {
    busy = 0
    override timestamp (): number { return super.timestamp() + this.busy }
  }
  const clock = new BusyClock()
  const { identities, connect, inMs, broker } = await make({ clock })
  identities.set('token', { userId: 'alice', expiresAt: inMs(1000) })
  const subscriptions = [{ channel: 'room/1', qos: 1 }]
  const reader = await connect('token', { subscriptions })
  const writer = await connect('token')
  const gathering = await connect('token', { subscriptions })
  gathering.connection.send({ type: 'ping' }) // gathered in this tick
  clock.busy = 1000
  await broker.publish('room/1', 'secret')
  await settled()
  await writer.send({ type: 'publish', channel: 'room/1', qos: 0, data: 'forbidden' })
  for (const peer of [reader, writer, gathering]) {
    t.same(peer.data, [])
    t.same(peer.socket.ending, expired)
    t.equal(peer.socket.frames.at(-1)?.type, 'goodbye')
  }
  t.equal(gathering.all('ping').length, 0)
  t.equal((await broker.history('room/1')).messages.length, 1, 'what the server published')
})

t.test('what was gathered and not written when the timer comes stays', async (t) => {
  const { identities, connect, inMs, clock } = await make()
  identities.set('token', { userId: 'alice', expiresAt: inMs(1000) })
  const peer = await connect('token')
  clock.advance(999)
  peer.connection.send({ type: 'ping' })
  clock.advance(1)
  t.same(peer.socket.ending, expired)
  t.equal(peer.all('ping').length, 0)
})

t.test('bytes that the socket has not taken by then are not delivered', async (t) => {
  const { identities, connect, inMs, clock } = await make()
  identities.set('token', { userId: 'alice', expiresAt: inMs(1000) })
  const peer = await connect('token')
  peer.socket.buffered = 1
  await clock.advanceAsync(1000)
  t.equal(peer.socket.ending, 'terminated')
  t.notOk(peer.last('goodbye'))
})

t.test('what hooks have answered for a time was said of the identity before', async (t) => {
  const { identities, connect, inMs } = await make({ authorize: ({ client }) => ({ allow: client.claims === 'reader', ttl: '1h' }) })
  identities.set('one', { userId: 'alice', expiresAt: inMs(10_000), claims: 'reader' })
  identities.set('two', { userId: 'alice', expiresAt: inMs(20_000), claims: 'nobody' })
  const peer = await connect('one')
  await peer.send({ type: 'history', id: 1, channel: 'room/1' })
  await peer.send({ type: 'token', id: 2, token: 'two' })
  await peer.send({ type: 'history', id: 3, channel: 'room/1' })
  t.match(peer.last('history'), { id: 1 })
  t.match(peer.last('error'), { id: 3, code: 'PUSH_FORBIDDEN' })
})

t.test('an answer that was asked for under the identity before is not kept', async (t) => {
  let answer = (): void => {}
  const { identities, connect, inMs } = await make({
    authorize: async ({ client }) => {
      const allow = client.claims === 'reader'
      if (allow) await new Promise<void>((resolve) => { answer = resolve })
      return { allow, ttl: '1h' }
    }
  })
  identities.set('one', { userId: 'alice', expiresAt: inMs(10_000), claims: 'reader' })
  identities.set('two', { userId: 'alice', expiresAt: inMs(20_000), claims: 'nobody' })
  const peer = await connect('one')
  await peer.send({ type: 'history', id: 1, channel: 'room/1' }, { type: 'subscribe', id: 2, channel: 'room/2', qos: 1 })
  const answerSubscribe = answer
  await peer.send({ type: 'token', id: 3, token: 'two' })
  answerSubscribe()
  await settled()
  await peer.send({ type: 'history', id: 4, channel: 'room/2' })
  t.match(peer.last('error'), { id: 4, code: 'PUSH_FORBIDDEN' })
  t.match(peer.last('unsubscribed'), { channel: 'room/2', code: 'PUSH_FORBIDDEN' }, 'and what it allowed is asked about anew')
  t.equal(peer.connection.subscriptions.size, 0)
})

t.test('[P-2.10] with another token all that is allowed for a time is asked about; what is allowed without one goes on', async (t) => {
  const { identities, connect, inMs } = await make({ authorize: ({ channel, client }) => channel === 'news' || { allow: client.claims === 'reader', ttl: '1h' } })
  identities.set('one', { userId: 'alice', expiresAt: inMs(10_000), claims: 'reader' })
  identities.set('two', { userId: 'alice', expiresAt: inMs(20_000), claims: 'nobody' })
  const peer = await connect('one', { subscriptions: [{ channel: 'room/1', qos: 1 }, { channel: 'news', qos: 1 }] })
  await peer.send({ type: 'token', id: 1, token: 'two' })
  t.same(peer.all('unsubscribed'), [{ type: 'unsubscribed', channel: 'room/1', code: 'PUSH_FORBIDDEN' }])
  t.same([...peer.connection.subscriptions.keys()], ['news'])
  t.equal(peer.connection.subscriptions.get('news')?.client.claims, 'nobody')
})

t.test('[P-2.10] another token in time', async (t) => {
  const { identities, connect, clock, inMs, asked, broker } = await make({
    authorize: ({ action, client }) => action === 'subscribe' || (client.claims as { mayRead?: boolean } | undefined)?.mayRead === true
  })
  identities.set('one', { userId: 'alice', expiresAt: inMs(10_000), claims: { mayRead: true } })
  identities.set('two', { userId: 'alice', expiresAt: inMs(60_000), claims: { mayRead: false } })
  const peer = await connect('one', { subscriptions: [{ channel: 'room/1', qos: 1 }] })
  await clock.advanceAsync(8000)
  await peer.send({ type: 'history', id: 1, channel: 'room/1' })
  t.match(peer.last('history'), { id: 1 })
  await peer.send({ type: 'token', id: 2, token: 'two' })
  t.same(peer.last('token'), { type: 'token', id: 2, expiresIn: 52_000 })
  t.same(asked, ['one', 'two'])
  await peer.send({ type: 'history', id: 3, channel: 'room/1' })
  t.match(peer.last('error'), { id: 3, code: 'PUSH_FORBIDDEN' }, 'hooks see the new claims')
  await clock.advanceAsync(51_999)
  await broker.publish('room/1', 'still here')
  await settled()
  t.same(peer.data, ['still here'])
  t.equal(peer.socket.ending, null)
  await clock.advanceAsync(1)
  t.same(peer.socket.ending, expired)
})

t.test('another token whose identity does not end', async (t) => {
  const { identities, connect, clock, inMs, service } = await make()
  identities.set('one', { userId: 'alice', expiresAt: inMs(1000) })
  identities.set('two', { userId: 'alice' })
  const peer = await connect('one')
  await peer.send({ type: 'token', id: 1, token: 'two' })
  t.same(peer.last('token'), { type: 'token', id: 1 })
  t.equal(service.expiry.size, 0)
  await clock.advanceAsync(20_000)
  t.equal(peer.socket.ending, null)
})

t.test('a token that is not taken ends the connection', async (t) => {
  const { identities, connect, inMs } = await make()
  identities.set('mine', { userId: 'alice', expiresAt: inMs(1000) })
  identities.set('another user', { userId: 'bob', expiresAt: inMs(5000) })
  identities.set('ended', { userId: 'alice', expiresAt: inMs(0) })
  identities.set('refused', new PushError('PUSH_UNAUTHENTICATED'))
  identities.set('invalid', new PushError('PUSH_INVALID'))
  for (const token of ['unknown', 'another user', 'ended', 'refused']) {
    const peer = await connect('mine', { subscriptions: [{ channel: 'room/1', qos: 1 }] })
    await peer.send({ type: 'token', id: 1, token })
    t.same(peer.socket.ending, { code: 4401, reason: 'PUSH_UNAUTHENTICATED' }, token)
    t.notOk(peer.last('token'))
  }
  const peer = await connect('mine')
  await peer.send({ type: 'token', id: 1, token: 'invalid' })
  t.same(peer.socket.ending, { code: 4403, reason: 'PUSH_FORBIDDEN' }, 'a code that cannot end a connection, and does not say to come back')
})

t.test('a host in trouble is no answer: the identity before holds until its end', async (t) => {
  const { identities, connect, clock, inMs } = await make()
  identities.set('mine', { userId: 'alice', expiresAt: inMs(1000) })
  identities.set('trouble', new PushError('PUSH_UNAVAILABLE'))
  identities.set('hangs', new Promise(() => {}))
  const peer = await connect('mine')
  await peer.send({ type: 'token', id: 1, token: 'trouble' })
  t.match(peer.last('error'), { id: 1, code: 'PUSH_UNAVAILABLE' })
  t.equal(peer.socket.ending, null)
  await peer.send({ type: 'token', id: 2, token: 'hangs' })
  await clock.advanceAsync(1000)
  t.same(peer.socket.ending, expired)
})

t.test('tokens are asked about one after the other, and no more of them than other requests', async (t) => {
  const { identities, connect, inMs, asked } = await make({ limits: { requestsInFlight: 3, subscriptions: 3 } })
  identities.set('mine', { userId: 'alice', expiresAt: inMs(1000) })
  identities.set('hangs', new Promise(() => {}))
  const peer = await connect('mine')
  const frame = { type: 'token', token: 'hangs' }
  await peer.send({ ...frame, id: 1 }, { ...frame, id: 2 }, { ...frame, id: 3 })
  t.same(asked, ['mine', 'hangs'])
  t.equal(peer.socket.ending, null)
  await peer.send({ ...frame, id: 4 })
  t.match(peer.last('goodbye'), { code: 'PUSH_TOO_MANY', limit: 'requestsInFlight' })
})

t.test('who does not end needs no token', async (t) => {
  const { identities, connect, hello } = await make()
  identities.set('mine', { userId: 'alice' })
  for (const peer of [await connect('mine'), await hello()]) {
    await peer.send({ type: 'token', id: 1, token: 'mine' })
    t.match(peer.last('error'), { id: 1, code: 'PUSH_INVALID' })
    t.equal(peer.socket.ending, null)
  }
})

t.test('a connection that ends otherwise leaves no deadline, and one timer serves all', async (t) => {
  const { identities, connect, inMs, service, clock } = await make()
  identities.set('mine', { userId: 'alice', expiresAt: inMs(60_000) })
  const before = clock.pending
  const peers = await Promise.all(Array.from({ length: 20 }, () => connect('mine')))
  t.equal(service.expiry.size, 20)
  t.ok(clock.pending <= before + 5, 'a few of the node’s, and not one each')
  for (const peer of peers) await peer.cut()
  t.equal(service.expiry.size, 0)
})

t.test('a wall clock that is set forward is seen within half a minute', async (t) => {
  class SettableClock extends ManualClock {
    shift = 0
    override timestamp (): number { return super.timestamp() + this.shift }
  }
  const clock = new SettableClock()
  const { identities, connect, inMs } = await make({ clock, limits: { silence: '1h' } })
  identities.set('mine', { userId: 'alice', expiresAt: inMs(3_600_000) })
  const peer = await connect('mine')
  clock.shift = 3_600_000
  await clock.advanceAsync(30_000)
  t.same(peer.socket.ending, expired)
})
