import t from 'tap'
import type { Authorize, TimedAnswer } from '../../types/index.js'
import { openNode, settled, type NodeOptions } from '../helpers/node.js'

/** A node whose hook answers what the test says, and notes what it was asked. */
async function make (answer: (request: Parameters<Authorize>[0]) => unknown, options: NodeOptions = {}) {
  const asked: string[] = []
  const node = await openNode({
    authorize: (request) => {
      asked.push(`${request.action} ${request.channel}`)
      return answer(request) as boolean | TimedAnswer
    },
    ...options
  })
  return { ...node, asked, take: () => asked.splice(0) }
}

const subscribe = (id: number, channel = 'room/1') => ({ type: 'subscribe', id, channel, qos: 1 })
const history = (id: number, channel = 'room/1') => ({ type: 'history', id, channel })

t.test('an answer with a ttl is kept for so long, and no longer', async (t) => {
  const { own, take, clock } = await make(() => ({ allow: true, ttl: '10s' }))
  const peer = await own()
  await peer.send(history(1), history(2))
  await peer.send(history(3), { type: 'publish', channel: 'room/1', qos: 0, data: 1 })
  t.same(take(), ['history room/1', 'publish room/1'], 'for each action by itself')
  await peer.send(history(4, 'room/2'))
  t.same(take(), ['history room/2'], 'for each channel by itself')
  await (await own()).send(history(1))
  t.same(take(), ['history room/1'], 'for each connection by itself')
  await clock.advanceAsync(9999)
  await peer.send(history(5))
  t.same(take(), [])
  await clock.advanceAsync(1)
  await peer.send(history(6))
  t.same(take(), ['history room/1'])
  t.equal(peer.all('history').length, 6)
})

t.test('so is a no', async (t) => {
  const { own, take, clock } = await make(() => ({ allow: false, ttl: 1000 }))
  const peer = await own()
  await peer.send(history(1))
  await peer.send(history(2))
  t.same(peer.all('error').map(({ code }) => code), ['PUSH_FORBIDDEN', 'PUSH_FORBIDDEN'])
  t.same(take(), ['history room/1'])
  await clock.advanceAsync(1000)
  await peer.send(history(3))
  t.same(take(), ['history room/1'])
})

t.test('true and false are asked for each time', async (t) => {
  for (const answer of [true, false]) {
    const { own, take, clock } = await make(() => answer)
    const peer = await own()
    await peer.send(history(1))
    await peer.send(history(2))
    t.equal(take().length, 2)
    await peer.send(subscribe(3))
    await clock.advanceAsync(60_000)
    t.equal(take().length, 1, 'a subscription that was allowed stays')
  }
})

t.test('an answer that is none denies, and a yes without a time is told the host', async (t) => {
  const answers: [unknown, number][] = [[{}, 0], [{ allow: false }, 0], [[], 0], [{ allow: true }, 1], [{ allow: true, ttl: 0 }, 1], [{ allow: true, ttl: 'soon' }, 1], [{ allow: true, ttl: NaN }, 1],
    [{ allow: 1, ttl: 1000 }, 0], [{ allow: 'yes', ttl: 1000 }, 0]]
  for (const [answer, faults] of answers) {
    const { own, errors } = await make(() => answer)
    const peer = await own()
    await peer.send(history(1))
    t.match(peer.last('error'), { id: 1, code: 'PUSH_FORBIDDEN' }, JSON.stringify(answer))
    t.equal(errors.length, faults, JSON.stringify(answer))
  }
})

t.test('[P-3.7] a live subscription is asked about again, and ends if the answer is no', async (t) => {
  let allow = true
  const { own, take, clock, broker, service } = await make(() => ({ allow, ttl: '10s' }), { limits: { hookTimeout: '1s' } })
  const peer = await own({ subscriptions: [{ channel: 'room/1', qos: 1 }] })
  await peer.send(subscribe(1, 'room/2'))
  take()
  await clock.advanceAsync(10_000)
  t.same(take().sort(), ['subscribe room/1', 'subscribe room/2'])
  await broker.publish('room/1', 'yes')
  await settled()
  t.same(peer.data, ['yes'])
  t.same(peer.all('unsubscribed'), [])
  allow = false
  await clock.advanceAsync(10_000)
  t.same(peer.all('unsubscribed'), [1, 2].map((id) => ({ type: 'unsubscribed', channel: `room/${id}`, code: 'PUSH_FORBIDDEN' })))
  await broker.publish('room/1', 'no')
  await settled()
  t.same(peer.data, ['yes'])
  t.equal(peer.socket.ending, null)
  t.equal(service.grants.size, 0)
  allow = true
  take()
  await clock.advanceAsync(60_000)
  t.same(take(), [], 'nobody asks about what has ended')
  await peer.send(subscribe(2))
  t.match(peer.last('subscribed'), { id: 2, verdict: 'resumed' }, 'its cursor has stayed')
})

t.test('an answer that never comes, or a throw, is a no when the time is over', async (t) => {
  const { own, clock } = await make(({ channel }) => {
    if (clock.now() < 7000) return { allow: true, ttl: '10s' }
    if (channel === 'room/2') throw new Error('bug')
    return new Promise(() => {})
  }, { limits: { hookTimeout: '3s' } })
  const peer = await own()
  await peer.send(subscribe(1), subscribe(2, 'room/2'))
  await clock.advanceAsync(9999)
  t.equal(peer.connection.subscriptions.size, 1)
  await clock.advanceAsync(1)
  t.same(peer.all('unsubscribed').map(({ channel, code }) => [channel, code]), [['room/2', 'PUSH_UNAVAILABLE'], ['room/1', 'PUSH_UNAVAILABLE']], 'which says: ask again later')
  t.equal(peer.connection.subscriptions.size, 0)
})

t.test('subscriptions that end or are asked for anew leave nothing behind', async (t) => {
  const { own, service, clock, take } = await make(() => ({ allow: true, ttl: '1h' }))
  const peer = await own()
  for (let i = 0; i < 5; i++) await peer.send(subscribe(2 * i), subscribe(2 * i + 1))
  t.equal(service.grants.size, 1)
  await peer.send({ type: 'unsubscribe', id: 9, channel: 'room/1' })
  t.equal(service.grants.size, 0)
  await peer.send(subscribe(10), subscribe(11, 'room/2'))
  t.equal(service.grants.size, 2)
  await peer.cut()
  t.equal(service.grants.size, 0)
  take()
  await clock.advanceAsync(3_600_000)
  t.same(take(), [])
})

t.test('a subscription that ends while it is asked about is left alone', async (t) => {
  let answer: (allow: boolean) => void = () => {}
  for (const allow of [true, false]) {
    const { own, clock, service } = await make(() => clock.now() < 10_000
      ? { allow: true, ttl: '10s' }
      : new Promise((resolve) => { answer = (allow) => resolve({ allow, ttl: '10s' }) }))
    const peer = await own()
    await peer.send(subscribe(1))
    await clock.advanceAsync(10_000)
    await peer.send({ type: 'unsubscribe', id: 2, channel: 'room/1' })
    answer(allow)
    await settled()
    t.same(peer.all('unsubscribed'), [{ type: 'unsubscribed', id: 2, channel: 'room/1' }])
    t.equal(service.grants.size, 0)
  }
})

t.test('it is asked about so long before the end as a hook may take, of a short time after half of it', async (t) => {
  for (const [ttl, asks] of [['10s', 7000], ['4s', 2000]] as const) {
    const { own, take, clock } = await make(() => ({ allow: true, ttl }), { limits: { hookTimeout: '3s' } })
    await own({ subscriptions: [{ channel: 'room/1', qos: 1 }] })
    take()
    await clock.advanceAsync(asks - 1)
    t.same(take(), [])
    await clock.advanceAsync(1)
    t.same(take(), ['subscribe room/1'])
  }
})

t.test('a hook that takes longer than is left: nothing is delivered after the end', async (t) => {
  const { own, clock, broker } = await make(() => clock.now() === 0 ? { allow: true, ttl: '2s' } : new Promise((resolve) => { clock.after(4000, () => resolve(true)) }))
  const peer = await own({ subscriptions: [{ channel: 'room/1', qos: 1 }] })
  await clock.advanceAsync(2000)
  t.match(peer.last('unsubscribed'), { channel: 'room/1', code: 'PUSH_UNAVAILABLE' })
  await clock.advanceAsync(10_000)
  await broker.publish('room/1', 'late')
  await settled()
  t.same(peer.data, [])
})

t.test('[P-3.7] a membership ends as a subscription does, also without one', async (t) => {
  let allow = true
  const { own, clock, presences, service, take } = await make(() => ({ allow, ttl: '10s' }), { channels: { 'room/:id': { presence: true } }, presence: { online: false } })
  const both = await own({ clientId: 'both', subscriptions: [{ channel: 'room/1', qos: 1 }] })
  await both.send({ type: 'enter', id: 1, channel: 'room/1' })
  const member = await own({ clientId: 'member' })
  await member.send({ type: 'enter', id: 1, channel: 'room/1' })
  const gone = await own({ clientId: 'gone', subscriptions: [{ channel: 'room/1', qos: 1 }] })
  await gone.send({ type: 'enter', id: 1, channel: 'room/1' })
  await gone.send({ type: 'unsubscribe', id: 2, channel: 'room/1' })
  t.equal(service.grants.size, 3, 'it is a member yet')
  await gone.send({ type: 'leave', id: 3, channel: 'room/1' })
  t.equal(service.grants.size, 2)
  await clock.advanceAsync(60_000)
  t.same(presences.map(({ cause }) => cause), ['join', 'join', 'join', 'leave'])
  take()
  allow = false
  await clock.advanceAsync(10_000)
  t.same(presences.slice(4).map(({ cause, member }) => `${cause} ${member.clientId}`), ['leave both', 'leave member'])
  for (const peer of [both, member]) t.same(peer.all('unsubscribed'), [{ type: 'unsubscribed', channel: 'room/1', code: 'PUSH_FORBIDDEN' }])
  t.equal(service.grants.size, 0)
})

t.test('what enter, presence and unread are answered is kept too', async (t) => {
  const { own, take } = await make(() => ({ allow: true, ttl: '1h' }), { channels: { 'room/:id': { presence: true } } })
  const peer = await own()
  const ask = (id: number) => ['enter', 'presence', 'unread'].map((type) => ({ type, id, channel: 'room/1' }))
  await peer.send(...ask(1))
  await peer.send(...ask(2))
  t.same(take().sort(), ['presence room/1', 'subscribe room/1'])
  t.same(peer.all('error'), [])
})

t.test('with two hooks each answer holds for its own time', async (t) => {
  const asked: string[] = []
  const { own, clock } = await openNode({
    authorize: () => { asked.push('plugin'); return { allow: true, ttl: '10s' } },
    channels: { 'room/:id': { history: true, authorize: () => { asked.push('channel'); return { allow: true, ttl: '4s' } } } },
    limits: { hookTimeout: '1s' }
  })
  const peer = await own()
  await peer.send(subscribe(1))
  t.same(asked.splice(0), ['plugin', 'channel'])
  await clock.advanceAsync(6000)
  t.same(asked.splice(0), ['channel', 'channel'])
  await clock.advanceAsync(3000)
  t.same(asked.splice(0), ['plugin', 'channel'])
})

t.test('answers are bounded for each connection', async (t) => {
  const { own, take } = await make(() => ({ allow: true, ttl: '1h' }))
  const peer = await own()
  for (let i = 0; i <= 1000; i++) await peer.connection.receive(JSON.stringify(history(i, `room/${i}`)))
  await settled()
  t.equal(take().length, 1001)
  await peer.send(history(1, 'room/1000'), history(2, 'room/1'))
  t.same(take(), [])
  await peer.send(history(3, 'room/0'))
  t.same(take(), ['history room/0'], 'the oldest was forgotten')
})
