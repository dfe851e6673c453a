import t from 'tap'
import { memoryStore, outcomeOf, setUp, setUpLive, ScriptedPlatform, type ScriptedSocket } from './helpers.js'

const PUBLISHER = 'secret-000000000000002'

/** The publish frames as `sequence`, with `*` on those that start a run. */
const runOf = (socket: ScriptedSocket, channel = 'a') => socket.of('publish')
  .filter((frame) => frame.channel === channel)
  .map(({ sequence, publisher }) => `${sequence}${publisher === undefined ? '' : '*'}`)

t.test('[P-5.2] [P-5.4] sequences in order, the publisher once; acknowledged with consecutive positions', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const a = client.channel('a')
  const outcomes = [a.publish('one'), a.publish({ two: 2 }, { qos: 2, id: 'order-1', ttl: 500 }), a.publish(null)].map(outcomeOf)
  const publisher = socket.of('publish')[0]?.publisher
  t.same(socket.of('publish'), [
    { type: 'publish', channel: 'a', qos: 1, publisher, sequence: 1, data: 'one' },
    { type: 'publish', channel: 'a', qos: 2, sequence: 2, id: 'order-1', ttl: 500, data: { two: 2 } },
    { type: 'publish', channel: 'a', qos: 1, sequence: 3, data: null }
  ])
  t.equal(publisher, PUBLISHER)
  socket.say({ type: 'published', channel: 'a', sequence: 1, count: 2, epoch: 'e', offset: 7 })
  socket.say({ type: 'published', channel: 'a', sequence: 3, count: 1, duplicate: true })
  socket.say({ type: 'published', channel: 'a', sequence: 3, count: 1 }, { type: 'published', channel: 'unknown', sequence: 3, count: 1 })
  await pass()
  t.same(outcomes.map(({ value }) => value), [
    { id: `${PUBLISHER}.1`, position: { epoch: 'e', offset: 7 }, duplicate: false },
    { id: 'order-1', position: { epoch: 'e', offset: 8 }, duplicate: false },
    { id: `${PUBLISHER}.3`, position: null, duplicate: true }
  ])
  a.publish('next')
  t.same(runOf(socket).at(-1), '4')
})

t.test('[P-5.1] QoS 0 resolves once handed over, and is refused without a link', async (t) => {
  const { client, platform, pass } = setUp()
  const a = client.channel('a')
  const offline = outcomeOf(a.publish('x', { qos: 0 }))
  await pass()
  const socket = platform.last.welcome()
  const outcomes = [a.publish('x', { qos: 0 }), a.publish('y', { qos: 0, id: 'mine', ttl: 9 })].map(outcomeOf)
  const large = outcomeOf(a.publish('x'.repeat(70_000), { qos: 0 }))
  socket.backlog = 2_000_000
  const busy = outcomeOf(a.publish('z', { qos: 0 }))
  await pass()
  t.same(socket.of('publish'), [{ type: 'publish', channel: 'a', qos: 0, data: 'x' }, { type: 'publish', channel: 'a', qos: 0, id: 'mine', ttl: 9, data: 'y' }])
  t.equal(offline.code, 'PUSH_OFFLINE')
  t.equal(busy.code, 'PUSH_BUSY')
  t.equal(large.code, 'PUSH_TOO_LARGE')
  t.match(outcomes.map(({ value }) => value), [{ id: /./, position: null, duplicate: false }, { id: 'mine' }])
})

t.test('[P-5.5] refused for good: that one is given up, and the others go again, marked as a new run', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const a = client.channel('a')
  const outcomes = [1, 2, 3].map((data) => outcomeOf(a.publish(data)))
  const other = outcomeOf(client.channel('b').publish('b'))
  socket.say({ type: 'published', channel: 'a', sequence: 1, count: 1, epoch: 'e', offset: 1 })
  socket.say({ type: 'refused', channel: 'a', sequence: 2, code: 'PUSH_FORBIDDEN' })
  socket.say({ type: 'refused', channel: 'a', sequence: 2, code: 'PUSH_FORBIDDEN' }, { type: 'refused', channel: 'c', sequence: 2, code: 'PUSH_FORBIDDEN' })
  t.same(runOf(socket), ['1*', '2', '3', '3*'])
  socket.say({ type: 'published', channel: 'a', sequence: 3, count: 1, epoch: 'e', offset: 2 })
  socket.say({ type: 'refused', channel: 'b', sequence: 1, code: 'PUSH_NOVEL' })
  await pass()
  t.match(outcomes, [{ value: { position: { offset: 1 } } }, { code: 'PUSH_FORBIDDEN', id: `${PUBLISHER}.2` }, { value: { position: { offset: 2 } } }])
  t.equal(other.code, 'PUSH_INVALID')
})

t.test('[P-5.5] a refusal says what is wrong with the data', async (t) => {
  const { client, socket } = await setUpLive()
  const published = client.channel('a').publish(1)
  socket.say({ type: 'refused', channel: 'a', sequence: 1, code: 'PUSH_INVALID', text: '/text must be string' })
  await t.rejects(published, { code: 'PUSH_INVALID', message: '/text must be string' })
})

t.test('[P-5.5] refused for now: the same message with the same sequence again, after a delay, and then the others', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const a = client.channel('a')
  const outcomes = [1, 2].map((data) => outcomeOf(a.publish(data)))
  socket.say({ type: 'refused', channel: 'a', sequence: 1, code: 'PUSH_BUSY' })
  a.publish(3)
  t.same(runOf(socket), ['1*', '2'])
  await pass(350)
  t.same(runOf(socket), ['1*', '2', '1*', '2', '3'])
  socket.say({ type: 'refused', channel: 'a', sequence: 1, code: 'PUSH_STORAGE_UNKNOWN' })
  await pass(600)
  t.same(runOf(socket).slice(5), ['1*', '2', '3'])
  socket.say({ type: 'refused', channel: 'a', sequence: 1, code: 'PUSH_FORBIDDEN' })
  socket.say({ type: 'published', channel: 'a', sequence: 2, count: 2, epoch: 'e', offset: 4 })
  await pass()
  t.match(outcomes, [{ code: 'PUSH_UNKNOWN', id: `${PUBLISHER}.1` }, { value: { position: { offset: 4 } } }])
})

t.test('[P-5.6] after a reconnect everything goes again in order; a refusal of what was sent before is unknown', async (t) => {
  const { client, socket, platform, pass } = await setUpLive()
  const a = client.channel('a')
  const outcomes = [1, 2].map((data) => outcomeOf(a.publish(data)))
  socket.drop()
  outcomes.push(outcomeOf(a.publish(3)))
  await pass(1_000)
  const { last } = platform
  last.welcome()
  t.same(runOf(last), ['1*', '2', '3'])
  socket.say({ type: 'published', channel: 'a', sequence: 1, count: 3 }) // too late
  last.say({ type: 'refused', channel: 'a', sequence: 1, code: 'PUSH_FORBIDDEN' })
  last.say({ type: 'published', channel: 'a', sequence: 2, count: 1, duplicate: true })
  last.say({ type: 'refused', channel: 'a', sequence: 3, code: 'PUSH_FORBIDDEN' })
  await pass()
  t.match(outcomes, [{ code: 'PUSH_UNKNOWN', id: `${PUBLISHER}.1` }, { value: { duplicate: true } }, { code: 'PUSH_FORBIDDEN' }])
  t.same(runOf(last), ['1*', '2', '3', '2*', '3'])
})

t.test('[P-5.5] a link that is lost while a run waits begins anew at once', async (t) => {
  const { client, socket, platform, pass } = await setUpLive()
  client.channel('a').publish(1)
  socket.say({ type: 'refused', channel: 'a', sequence: 1, code: 'PUSH_BUSY' })
  client.reconnect()
  platform.last.welcome()
  t.same(runOf(platform.last), ['1*'])
  await pass(1_000)
  t.same(runOf(platform.last), ['1*'])
})

t.test('[P-5.7] the session is lost: a new publisher; sent QoS 2 is unknown, the rest goes out anew', async (t) => {
  const { client, socket, platform, pass } = await setUpLive()
  const a = client.channel('a')
  const once = outcomeOf(a.publish(1))
  const exactly = outcomeOf(a.publish(2, { qos: 2 }))
  socket.drop()
  const unsent = outcomeOf(a.publish(3, { qos: 2 }))
  await pass(1_000)
  platform.last.welcome({ resumed: false })
  await pass()
  t.match(exactly, { code: 'PUSH_UNKNOWN', id: `${PUBLISHER}.2` })
  t.match(platform.last.of('publish').map(({ data, sequence, publisher }) => [data, sequence, publisher]), [[1, 1, /^secret/], [3, 2, undefined]])
  t.not(platform.last.of('publish')[0]?.publisher, PUBLISHER)
  platform.last.say({ type: 'published', channel: 'a', sequence: 1, count: 2, epoch: 'f', offset: 1 })
  await pass()
  t.ok(once.value)
  t.ok(unsent.value)
})

t.test('[P-5.8] no more in flight than the server allows', async (t) => {
  const { client, socket } = await setUpLive({}, undefined, { limits: { frameBytes: 65_536, publishesInFlight: 3 } })
  for (const channel of ['a', 'b']) {
    for (let i = 0; i < 3; i++) client.channel(channel).publish(i)
  }
  t.same(runOf(socket), ['1*', '2', '3'])
  t.same(runOf(socket, 'b'), [])
  socket.say({ type: 'published', channel: 'a', sequence: 1, count: 2 })
  t.same(runOf(socket, 'b'), ['1*', '2'])
})

t.test('what the server would answer by closing the connection is refused here', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const a = client.channel<unknown>('a')
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  let deep: unknown = 0
  for (let i = 0; i < 64; i++) deep = [deep]
  const cyclicJson = { toJSON: () => { throw new Error('no') } }
  const outcomes = [
    a.publish(undefined), a.publish(circle), a.publish(deep), a.publish(1n), a.publish(cyclicJson),
    a.publish(1, { qos: 3 as never }), a.publish(1, { id: '' }), a.publish(1, { ttl: 0 })
  ].map(outcomeOf)
  const large = outcomeOf(a.publish('ü'.repeat(33_000)))
  await pass()
  t.same(outcomes.map(({ code }) => code), Array(8).fill('PUSH_INVALID'))
  t.equal(large.code, 'PUSH_TOO_LARGE')
  t.equal(socket.of('publish').length, 0)
  a.publish((deep as unknown[])[0])
  t.equal(socket.of('publish').length, 1)
})

t.test('the outbox is bounded, by items and by bytes', async (t) => {
  const { client, pass, platform } = setUp({ outbox: { items: 2 } })
  const outcomes = [1, 2, 3].map((data) => outcomeOf(client.channel('a').publish(data)))
  const bytes = outcomeOf(setUp({ outbox: { bytes: 10 } }).client.channel('a').publish('123456789'))
  await pass()
  t.same(outcomes.map(({ code }) => code), [undefined, undefined, 'PUSH_OUTBOX_FULL'])
  t.equal(bytes.code, 'PUSH_OUTBOX_FULL')
  platform.last.welcome().say({ type: 'published', channel: 'a', sequence: 1, count: 2, epoch: 'e', offset: 1 })
  const again = outcomeOf(client.channel('a').publish(4))
  platform.last.say({ type: 'published', channel: 'a', sequence: 3, count: 1, epoch: 'e', offset: 3 })
  await pass()
  t.ok(again.value)
})

t.test('a signal gives up what was not sent, and stops waiting for what was', async (t) => {
  const { client, platform, pass } = setUp()
  const a = client.channel('a')
  const abort = () => new AbortController()
  const [before, unsent, sent, done] = [abort(), abort(), abort(), abort()] as const
  before.abort()
  const outcomes = [
    a.publish(0, { signal: before.signal, id: 'zero' }), a.publish(1, { signal: unsent.signal }), a.publish(2, { signal: sent.signal }), a.publish(3, { signal: done.signal })
  ].map(outcomeOf)
  await pass()
  unsent.abort()
  platform.last.welcome()
  t.same(platform.last.of('publish').map(({ data }) => data), [2, 3])
  sent.abort()
  platform.last.say({ type: 'published', channel: 'a', sequence: 1, count: 2, epoch: 'e', offset: 1 })
  done.abort()
  await pass()
  t.match(outcomes, [{ code: 'PUSH_ABORTED', id: 'zero' }, { code: 'PUSH_ABORTED' }, { code: 'PUSH_UNKNOWN', id: /\.1$/ }, { value: { position: { offset: 2 } } }])
})

t.test('a message whose ttl ran out before it could be sent is given up', async (t) => {
  const { client, platform, pass } = setUp()
  const outcomes = [10, 100_000].map((ttl) => outcomeOf(client.channel('a').publish(ttl, { ttl })))
  await pass(10)
  platform.last.welcome()
  await pass()
  t.same(outcomes.map(({ code }) => code), ['PUSH_TIMEOUT', undefined])
  t.same(platform.last.of('publish').map(({ data, ttl }) => [data, ttl]), [[100_000, 99_990]])
  await pass(100_000)
  client.reconnect()
  platform.last.welcome()
  t.equal(platform.last.of('publish')[0]?.ttl, 1) // it may have arrived: the repeat asks
})

t.test('a publish nobody awaits does not become an unhandled rejection', async (t) => {
  const seen: unknown[] = []
  const onUnhandled = (error: unknown) => { seen.push(error) }
  process.on('unhandledRejection', onUnhandled)
  t.teardown(() => process.off('unhandledRejection', onUnhandled))
  const { client, socket, pass } = await setUpLive()
  const a = client.channel('a')
  a.publish(1)
  a.publish(undefined)
  a.history()
  a.subscribe(() => {})
  socket.say({ type: 'refused', channel: 'a', sequence: 1, code: 'PUSH_FORBIDDEN' })
  client.close({ timeout: 0 })
  await pass(2_000)
  t.same(seen, [])
})

t.test('close waits for outstanding publishes, within bounds, and takes no more', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const a = client.channel('a')
  const outcome = outcomeOf(a.publish(1))
  client.close()
  const late = outcomeOf(a.publish(2))
  await pass(1_000)
  t.equal(client.state, 'live')
  t.equal(late.code, 'PUSH_CLOSED')
  socket.say({ type: 'published', channel: 'a', sequence: 1, count: 1, epoch: 'e', offset: 1 })
  await pass()
  t.equal(client.state, 'closed')
  t.ok(outcome.value)

  const second = await setUpLive()
  const sent = outcomeOf(second.client.channel('a').publish(1))
  second.socket.drop()
  const unsent = outcomeOf(second.client.channel('a').publish(2))
  const closed = outcomeOf(second.client.close({ timeout: 100 }))
  await second.pass(100)
  t.equal(second.client.state, 'closed')
  t.ok('value' in closed)
  t.match([sent, unsent], [{ code: 'PUSH_UNKNOWN', id: /\.1$/ }, { code: 'PUSH_CLOSED' }])
  t.equal(second.platform.manual.pending, 0)

  const idle = setUp({ connect: false })
  idle.client.channel('a').publish(1)
  await idle.client.close()
  t.equal(idle.client.state, 'closed')
})

t.test('[P-5.7] a store: what was left goes out under the publisher it was sent under, before anything new', async (t) => {
  for (const isAsync of [false, true]) {
    const store = memoryStore(isAsync)
    const first = await setUpLive({ store })
    const left = outcomeOf(first.client.channel('a').publish('sent', { qos: 2 }))
    await first.pass(1_000)
    t.equal(first.socket.of('publish').length, 1)
    first.socket.drop()
    first.client.channel('a').publish('unsent')
    first.client.close({ timeout: 0 })
    await first.pass()
    t.equal(left.code, 'PUSH_UNKNOWN')

    const platform = new ScriptedPlatform()
    platform.secret = () => 'another-secret-of-the-next'
    const next = setUp({ store }, platform)
    const fresh = outcomeOf(next.client.channel('a').publish('fresh', { qos: 2 }))
    await next.pass()
    const { last } = next.platform
    last.welcome()
    await next.pass()
    t.match(last.of('publish'), [{ data: 'sent', publisher: PUBLISHER, sequence: 1 }])
    t.equal(last.of('publish').length, 1)
    last.say({ type: 'published', channel: 'a', sequence: 1, count: 1, duplicate: true })
    await next.pass()
    t.match(last.of('publish').slice(1), [{ data: 'unsent', sequence: 1, publisher: /./ }, { data: 'fresh', sequence: 2 }])
    t.not(last.of('publish')[1]?.publisher, PUBLISHER)
    last.say({ type: 'published', channel: 'a', sequence: 1, count: 2, epoch: 'e', offset: 1 })
    await next.pass(1_000)
    t.ok(fresh.value)
    t.match([...store.values.values()][0], '"outbox":[]')
  }
})

t.test('[P-5.7] a store: what an earlier process sent at QoS 2 and the server forgot is told as an error', async (t) => {
  const store = memoryStore()
  const first = await setUpLive({ store })
  first.client.channel('a').publish('sent', { qos: 2 })
  first.client.close({ timeout: 0 })
  const next = await setUpLive({ store }, undefined, { resumed: false })
  t.same(next.errors, ['PUSH_UNKNOWN'])
  t.equal(next.socket.of('publish').length, 0)
})

t.test('a store: at QoS 2 nothing is sent before its key is saved, and saves never overtake each other', async (t) => {
  const pending: Array<() => void> = []
  const written: string[] = []
  const store = {
    getItem: () => null,
    setItem: (_key: string, value: string) => new Promise<void>((resolve) => {
      written.push(value)
      pending.push(resolve)
    }),
    removeItem: () => {}
  }
  const { client, socket, platform, pass } = await setUpLive({ store })
  const a = client.channel('a')
  a.publish(1, { qos: 2 })
  a.publish(2, { qos: 2 })
  t.equal(socket.of('publish').length, 0)
  t.match(written, [/"json":"1".*"sequence":1/])
  platform.notice('hiding')
  pending.shift()?.()
  await pass()
  t.same(runOf(socket), ['1*'])
  pending.shift()?.()
  await pass()
  pending.shift()?.()
  await pass()
  t.same(runOf(socket), ['1*', '2'])
  t.match(written.at(-1), /"sequence":2/)
})
