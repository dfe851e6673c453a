import t from 'tap'
import type { Message } from '../../lib/client/index.js'
import { memoryStore, outcomeOf, setUp, setUpLive } from './helpers.js'

const positions = (offset: number, channel = 'a', epoch = 'e') => [{ channel, epoch, offset }]

t.test('[P-3.1] [P-3.2] subscribe, messages, and acknowledgements in one frame once the turn is over', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const got: Message[] = []
  const verdicts: string[] = []
  client.channel('a').on('verdict', ({ verdict }) => { verdicts.push(verdict) })
  const subscription = client.channel<number>('a').subscribe((message) => { got.push(message) }, { rewind: 2 })
  client.channel('b').subscribe(() => {})
  const ready = outcomeOf(subscription.ready)
  const [first, second] = socket.of('subscribe')
  t.match(first, { channel: 'a', qos: 1, rewind: 2 })
  socket.say({ type: 'subscribed', id: first?.id as number, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 4 } })
  socket.say({ type: 'subscribed', id: second?.id as number, channel: 'b', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } })
  socket.say({ type: 'messages', channel: 'a', epoch: 'e', from: 5, messages: [{ id: 'x.1', qos: 2, timestamp: 7, publisher: { clientId: 'bob' }, data: 'hi' }] })
  socket.records('a', 6, 2)
  socket.records('b', 1)
  t.equal(socket.of('ack').length, 0)
  await pass()
  t.ok('value' in ready)
  t.same(verdicts, ['started'])
  t.same(got[0], { channel: 'a', data: 'hi', id: 'x.1', qos: 2, position: { epoch: 'e', offset: 5 }, timestamp: 7, publisher: { clientId: 'bob' } })
  t.same(got.map(({ position }) => position?.offset), [5, 6, 7])
  t.same(socket.of('ack'), [{ type: 'ack', positions: [...positions(7), ...positions(1, 'b')] }])
})

t.test('[P-4.6] acknowledges each 64 messages without waiting for the turn\'s end, and splits many channels', async (t) => {
  const names = Array.from({ length: 150 }, (_, i) => `c/${i}`)
  const { socket, pass } = await setUpLive({}, (client) => { for (const name of names) client.channel(name).subscribe(() => {}) })
  socket.records('c/0', 1, 130)
  t.same(socket.of('ack').map(({ positions }) => positions[0]?.offset), [64, 128])
  await pass()
  const more = await setUpLive({ ackDelay: 10 }, (client) => { for (const name of names) client.channel(name).subscribe(() => {}) })
  more.socket.records('c/0', 1)
  await more.pass(10)
  t.equal(more.socket.of('ack').length, 1)
  for (const name of names.slice(0, 63)) more.socket.records(name, name === 'c/0' ? 2 : 1)
  await more.pass(10)
  t.equal(more.socket.of('ack').at(-1)?.positions.length, 63)
})

t.test('[P-4.6] many channels are acknowledged in frames that the server takes', async (t) => {
  const names = Array.from({ length: 150 }, (_, i) => `c/${i}`)
  const { socket, client, platform, pass } = await setUpLive({}, (client) => { for (const name of names) client.channel(name).subscribe(() => {}, { qos: 0 }) })
  for (const name of names) client.channel(name).subscribe(() => {}, { qos: 2 })
  client.reconnect()
  platform.last.welcome({ limits: { frameBytes: 1_000, publishesInFlight: 1 } })
  platform.notice('hiding')
  t.equal(socket.of('ack').length, 0)
  for (const name of names) platform.last.records(name, 1)
  await pass()
  const acks = platform.last.of('ack')
  t.same(new Set(acks.flatMap(({ positions }) => positions).filter(({ offset }) => offset === 1).map(({ channel }) => channel)), new Set(names))
  t.ok(acks.every((ack) => JSON.stringify(ack).length <= 1_000))
  t.ok(acks.some((ack) => JSON.stringify(ack).length > 900))
})

t.test('[P-4.6] where a cursor began is acknowledged on the next link, even if nothing came since', async (t) => {
  const { client, socket, platform, pass } = await setUpLive({}, (client) => {
    client.channel('a').subscribe(() => {})
    client.channel('b').subscribe(() => {}, { qos: 0 })
  })
  await pass()
  t.equal(socket.of('ack').length, 0)
  client.reconnect()
  platform.last.welcome()
  await pass()
  t.same(platform.last.of('ack').map((ack) => ack.positions), [positions(0)])
})

t.test('[P-4.8] close does not wait for the confirmation of a channel that the server refuses', async (t) => {
  const { client, socket, platform, pass } = await setUpLive({}, (client) => client.channel('a').subscribe(() => {}, { qos: 2 }))
  socket.records('a', 1)
  await pass()
  t.equal(socket.of('ack').length, 1)
  client.reconnect()
  platform.last.welcome({ subscriptions: [{ channel: 'a', code: 'PUSH_FORBIDDEN' }] })
  client.close()
  await pass()
  t.equal(client.state, 'closed')
})

t.test('[P-4.2] duplicates are dropped and acknowledged again; behind and reset subscribe again, not too often', async (t) => {
  const got: unknown[] = []
  const { socket, pass } = await setUpLive({}, (client) => client.channel('a').subscribe(({ data }) => got.push(data)))
  socket.records('a', 1, 3)
  await pass()
  socket.records('a', 2, 3)
  await pass()
  t.same(got, [1, 2, 3, 4])
  socket.records('a', 4)
  await pass()
  t.same(socket.of('ack').map(({ positions }) => positions[0]?.offset), [3, 4, 4])
  socket.records('a', 9)
  socket.records('a', 10)
  t.match(socket.of('subscribe'), [{ channel: 'a', qos: 1, position: { epoch: 'e', offset: 4 } }])
  const answer = (epoch: string, offset: number) => socket.say({
    type: 'subscribed', id: socket.of('subscribe').at(-1)?.id as number, channel: 'a', qos: 1, verdict: 'resumed', position: { epoch, offset }
  })
  answer('e', 4)
  socket.records('a', 5, 6)
  t.same(got, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  socket.records('a', 1, 1, 1, 'other')
  socket.records('a', 1, 1, 1, 'other')
  t.equal(socket.of('subscribe').length, 1)
  await pass(999)
  t.equal(socket.of('subscribe').length, 1)
  await pass(1)
  t.equal(socket.of('subscribe').length, 2)
})

t.test('[P-4.2] at QoS 0 behind means jump, and nothing is acknowledged', async (t) => {
  const got: unknown[] = []
  const { socket, pass } = await setUpLive({}, (client) => client.channel('a').subscribe(({ data }) => got.push(data), { qos: 0 }))
  socket.records('a', 1)
  socket.records('a', 5, 2)
  socket.say({ type: 'skip', channel: 'a', epoch: 'e', from: 9, to: 12 })
  socket.records('a', 13)
  await pass()
  t.same(got, [1, 5, 6, 13])
  t.same(socket.frames, [{ type: 'pong' }])
})

t.test('[P-4.1] messages without a place are handed over and move no cursor; slow handlers bound them', async (t) => {
  const got: unknown[] = []
  const { socket, client, pass } = await setUpLive()
  let release = () => {}
  client.channel('a').subscribe(({ data, position }) => {
    got.push([data, position])
    return data === 'first' ? new Promise<void>((resolve) => { release = resolve }) : undefined
  })
  const say = (data: unknown) => socket.say({ type: 'messages', channel: 'a', messages: [{ id: 'i', qos: 0, timestamp: 1, data }] })
  say('too early: not subscribed yet')
  socket.say({ type: 'subscribed', id: 1, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } })
  say('first')
  for (let i = 0; i < 1_100; i++) say(i)
  release()
  await pass()
  t.equal(got.length, 1_001)
  t.same(got[0], ['first', null])
  t.equal(socket.of('ack').length, 0)
})

t.test('[P-4.3] a skip steps over holes, in order with the messages', async (t) => {
  const { socket, client, pass } = await setUpLive()
  let release = () => {}
  client.channel('a').subscribe(() => new Promise<void>((resolve) => { release = resolve }))
  socket.say({ type: 'skip', channel: 'a', epoch: 'e', from: 1, to: 2 })
  socket.say({ type: 'subscribed', id: 1, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } })
  socket.records('a', 1)
  socket.say({ type: 'skip', channel: 'a', epoch: 'e', from: 2, to: 5 }, { type: 'skip', channel: 'a', epoch: 'e', from: 1, to: 3 }, { type: 'skip', channel: 'a', epoch: 'e', from: 4, to: 7 })
  await pass()
  t.equal(socket.of('ack').length, 0)
  release()
  await pass()
  t.same(socket.of('ack').at(-1)?.positions, positions(7))
  socket.say({ type: 'skip', channel: 'a', epoch: 'e', from: 10, to: 12 })
  await pass(1_000)
  t.match(socket.of('subscribe').at(-1), { position: { epoch: 'e', offset: 7 } })
})

t.test('[P-4.4] a gap is told in order, and its position taken over', async (t) => {
  const log: unknown[] = []
  const { socket, client, pass } = await setUpLive({}, (client) => client.channel('a').subscribe(async ({ data }) => { log.push(data) }))
  client.channel('a').on('gap', ({ reason, from, to, count }) => { log.push([reason, from, to, count]) })
  socket.say({ type: 'gap', channel: 'unknown', reason: 'epoch', from: null, to: null, count: null, position: { epoch: 'x', offset: 0 } })
  socket.records('a', 1, 2)
  socket.say({ type: 'gap', channel: 'a', reason: 'retention', from: 3, to: 9, count: 7, position: { epoch: 'e', offset: 9 } })
  socket.records('a', 10)
  await pass()
  t.same(log, [1, 2, ['retention', 3, 9, 7], 10])
  t.same(socket.of('ack').at(-1)?.positions, positions(10))
})

t.test('[P-4.4] what waits from before another epoch, or from before the log went back, is handed over and not acknowledged', async (t) => {
  for (const position of [{ epoch: 'f', offset: 0 }, { epoch: 'e', offset: 1 }]) {
    const log: unknown[] = []
    const releases: Array<() => void> = []
    const { socket, pass } = await setUpLive({}, (client) => client.channel('a').subscribe(({ data }) => {
      log.push(data)
      return new Promise<void>((resolve) => releases.push(resolve))
    }))
    socket.records('a', 1, 3)
    socket.say({ type: 'gap', channel: 'a', reason: 'unverified', from: null, to: null, count: null, position })
    for (let i = 0; i < 3; i++) {
      releases.shift()?.()
      await pass()
    }
    t.same(log, [1, 2, 3])
    t.same(socket.of('ack'), [{ type: 'ack', positions: [{ channel: 'a', ...position }] }])
    socket.records('a', position.offset + 1, 1, 2, position.epoch)
    releases.shift()?.()
    await pass()
    t.match(socket.of('ack').at(-1), { positions: [{ ...position, offset: position.offset + 1 }] })
  }
})

t.test('[P-3.2] lost: the gap is told, also with the first answer', async (t) => {
  const gaps: unknown[] = []
  const verdicts: unknown[] = []
  const { client, platform, pass } = setUp()
  client.channel('a').on('gap', (gap) => { gaps.push(gap) })
  client.channel('a').on('verdict', (verdict) => { verdicts.push(verdict) })
  client.channel('a').subscribe(() => {}, { from: { epoch: 'e', offset: 2 } })
  await pass()
  t.same(platform.last.hello.subscriptions, [{ channel: 'a', qos: 1, position: { epoch: 'e', offset: 2 } }])
  const gap = { reason: 'retention' as const, from: 3, to: 9, count: 7 }
  const answer = { channel: 'a', qos: 1 as const, verdict: 'lost' as const, position: { epoch: 'e', offset: 9 }, gap }
  platform.last.welcome({ subscriptions: [answer] })
  t.same(gaps, [{ channel: 'a', ...gap, position: { epoch: 'e', offset: 9 } }])
  t.match(verdicts, [{ verdict: 'lost', gap: { count: 7 } }])
})

t.test('[P-3.2] a position that is older than what came meanwhile does not set the cursor back', async (t) => {
  const got: unknown[] = []
  const { client, socket } = await setUpLive({}, (client) => client.channel('a').subscribe(({ data }) => got.push(data)))
  client.channel('a').subscribe(() => {}, { qos: 2 })
  socket.records('a', 1, 2)
  socket.say({ type: 'subscribed', id: socket.of('subscribe')[0]?.id as number, channel: 'a', qos: 2, verdict: 'resumed', position: { epoch: 'e', offset: 0 } })
  socket.records('a', 1, 3)
  t.same(got, [1, 2, 3])
})

t.test('[P-3.3] handlers share a subscription at the highest QoS; raising it subscribes again', async (t) => {
  const { client, platform, pass } = setUp()
  const a = client.channel('a')
  const first = outcomeOf(a.subscribe(() => {}, { qos: 0, rewind: 2 }).ready)
  a.subscribe(() => {}, { qos: 1, rewind: 5 })
  await pass()
  t.same(platform.last.hello.subscriptions, [{ channel: 'a', qos: 1, rewind: 5 }])
  const raised = outcomeOf(a.subscribe(() => {}, { qos: 2 }).ready) // the hello is on its way
  platform.last.welcome()
  await pass()
  t.ok('value' in first)
  t.notOk('value' in raised)
  const [again] = platform.last.of('subscribe')
  t.match(again, { qos: 2, position: { epoch: 'e', offset: 0 } })
  platform.last.say({ type: 'subscribed', id: again?.id as number, channel: 'a', qos: 2, verdict: 'resumed', position: { epoch: 'e', offset: 0 } })
  await pass()
  t.ok('value' in raised)
  const shared = outcomeOf(a.subscribe(() => {}).ready)
  await pass()
  t.ok('value' in shared)
  t.equal(platform.last.of('subscribe').length, 1)
})

t.test('[P-3.4] refused for good: ready rejects, the channel and the client are told, and nothing is asked again', async (t) => {
  const { client, socket, errors, platform, pass } = await setUpLive()
  const told: string[] = []
  client.channel('a').on('error', (error) => { told.push(error.code) })
  const ready = outcomeOf(client.channel('a').subscribe(() => {}).ready)
  const future = outcomeOf(client.channel('b').subscribe(() => {}).ready)
  const [first, second] = socket.of('subscribe')
  socket.say({ type: 'error', id: first?.id as number, channel: 'a', code: 'PUSH_CHANNEL_UNKNOWN', text: 'no such channel' })
  socket.say({ type: 'error', id: second?.id as number, channel: 'b', code: 'PUSH_NOVEL', text: 'what a newer server says' })
  await pass(60_000)
  t.equal(ready.code, 'PUSH_CHANNEL_UNKNOWN')
  t.equal(future.code, 'PUSH_INVALID')
  t.same(told, ['PUSH_CHANNEL_UNKNOWN'])
  t.same(errors.slice(0, 2), ['PUSH_CHANNEL_UNKNOWN', 'PUSH_INVALID'])
  client.reconnect()
  t.same(platform.last.hello.subscriptions, [])
})

t.test('[P-2.5] [P-3.4] refused for now: asked again after a delay, also one of the hello', async (t) => {
  const { client, platform, errors, pass } = setUp()
  const ready = outcomeOf(client.channel('a').subscribe(() => {}).ready)
  client.channel('b').subscribe(() => {})
  client.channel('c').subscribe(() => {})
  await pass()
  const answers = [{ channel: 'a', code: 'PUSH_STORAGE_UNAVAILABLE' }, { channel: 'b', code: 'PUSH_FORBIDDEN' }, { channel: 'c', code: 'PUSH_NOVEL' }]
  platform.last.welcome({ subscriptions: answers })
  client.channel('a').subscribe(() => {}) // waits with the other
  t.same(errors, ['PUSH_STORAGE_UNAVAILABLE', 'PUSH_FORBIDDEN', 'PUSH_INVALID'])
  t.equal(platform.last.of('subscribe').length, 0)
  await pass(350)
  const [again] = platform.last.of('subscribe')
  platform.last.say({ type: 'subscribed', id: again?.id as number, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } })
  await pass()
  t.ok('value' in ready)
})

t.test('[P-3.5] the last handler that leaves ends the subscription; what is on its way is ignored', async (t) => {
  const got: unknown[] = []
  const { client, socket, platform, pass } = await setUpLive()
  const a = client.channel('a')
  const one = a.subscribe(({ data }) => got.push(data))
  const two = a.subscribe(() => {})
  socket.say({ type: 'subscribed', id: 1, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } })
  await two.unsubscribe()
  t.equal(socket.of('unsubscribe').length, 0)
  const left = outcomeOf(one.unsubscribe())
  t.equal(one.unsubscribe(), one.unsubscribe())
  const [frame] = socket.of('unsubscribe')
  socket.records('a', 1)
  await pass()
  t.notOk('value' in left)
  socket.say({ type: 'unsubscribed', id: frame?.id as number, channel: 'a' })
  await pass()
  t.ok('value' in left)
  t.same(got, [])
  client.reconnect()
  t.same(platform.last.hello.subscriptions, [])
})

t.test('[P-3.6] an unsubscribe without an answer is sent again, unless the channel is wanted again', async (t) => {
  const { client, platform, socket, pass } = await setUpLive({}, (client) => client.channel('a').subscribe(() => {}))
  const b = client.channel('b').subscribe(() => {})
  b.unsubscribe()
  const again = client.channel('c').subscribe(() => {})
  const left = outcomeOf(again.unsubscribe())
  socket.drop()
  client.channel('c').subscribe(() => {})
  await pass(1_000)
  t.ok('value' in left)
  platform.last.welcome()
  t.match(platform.last.of('unsubscribe'), [{ channel: 'b' }])
  t.match(platform.last.hello.subscriptions, [{ channel: 'a' }, { channel: 'c' }])
})

t.test('a handler may unsubscribe itself, or the others, while it is handed a message', async (t) => {
  const got: unknown[] = []
  const { client, socket, pass } = await setUpLive()
  const a = client.channel('a')
  const one = a.subscribe(({ data }) => {
    got.push(['one', data])
    two.unsubscribe()
    one.unsubscribe()
  })
  const two = a.subscribe(({ data }) => { got.push(['two', data]) })
  socket.say({ type: 'subscribed', id: 1, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } })
  socket.records('a', 1, 3)
  await pass()
  t.same(got, [['one', 1]])
  t.equal(socket.of('unsubscribe').length, 1)
})

t.test('handlers run one after the other, and the slowest decides what is acknowledged', async (t) => {
  const log: string[] = []
  const releases: Array<() => void> = []
  const { socket, pass } = await setUpLive({}, (client) => {
    client.channel('a').subscribe(({ data }) => { log.push(`fast ${data}`) })
    client.channel('a').subscribe(({ data }) => new Promise<void>((resolve) => {
      log.push(`slow ${data}`)
      releases.push(resolve)
    }))
    client.channel('b').subscribe(({ data }) => { log.push(`b ${data}`) })
  })
  socket.records('a', 1, 2)
  socket.records('b', 1)
  await pass()
  t.same(log, ['fast 1', 'slow 1', 'b 1'])
  t.same(socket.of('ack').map((ack) => ack.positions), [positions(1, 'b')])
  releases.shift()?.()
  await pass()
  t.same(log.slice(3), ['fast 2', 'slow 2'])
  t.same(socket.of('ack').at(-1)?.positions, positions(1))
})

t.test('[P-4.9] a handler that throws gets the message again after growing delays, then it is given up and acknowledged', async (t) => {
  const { client, socket, errors, pass } = await setUpLive()
  const tried: number[] = []
  const others: unknown[] = []
  client.channel('a').subscribe(({ data }) => {
    if (data !== 1) return
    tried.push(tried.length)
    if (tried.length % 2 === 0) throw new Error('sync')
    return Promise.reject(new Error('async'))
  }, { onError: { tries: 4 } })
  client.channel('a').subscribe(({ data }) => others.push(data))
  socket.say({ type: 'subscribed', id: 1, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } })
  socket.records('a', 1, 2)
  const seen = []
  for (const ms of [0, 999, 1, 2_000, 3_999, 1]) {
    await pass(ms)
    seen.push(tried.length)
  }
  t.same(seen, [1, 1, 2, 3, 3, 4])
  await pass()
  t.same(others, [1, 2])
  t.same(errors, ['PUSH_HANDLER_FAILED'])
  t.same(socket.of('drop'), [{ type: 'drop', channel: 'a', epoch: 'e', offset: 1 }])
  t.same(socket.of('ack').at(-1)?.positions, positions(2))
})

t.test('a handler that fails and leaves does not hold the others up; a message without a place is given up without a drop', async (t) => {
  const { client, socket, errors, pass } = await setUpLive({ onError: { tries: 1 } })
  const others: unknown[] = []
  const failing = client.channel('a').subscribe(() => Promise.reject(new Error('no')), { onError: { tries: Infinity, delay: 90_000 } })
  client.channel('a').subscribe(({ data }) => {
    others.push(data)
    if (data === 'volatile') throw new Error('no')
  })
  socket.say({ type: 'subscribed', id: 1, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } })
  socket.records('a', 1, 2)
  await pass(30_000)
  failing.unsubscribe()
  t.same(others, [1, 2])
  socket.say({ type: 'messages', channel: 'a', messages: [{ id: 'v', qos: 0, timestamp: 1, data: 'volatile' }] })
  t.same(errors, ['PUSH_HANDLER_FAILED'])
  t.equal(socket.of('drop').length, 0)
})

t.test('the iterator acknowledges a message when the next one is asked for', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const iterator = client.channel<number>('a')[Symbol.asyncIterator]()
  t.equal(iterator[Symbol.asyncIterator](), iterator)
  socket.say({ type: 'subscribed', id: 1, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } })
  socket.records('a', 1, 2)
  t.match(await iterator.next(), { done: false, value: { data: 1 } })
  await pass()
  t.equal(socket.of('ack').length, 0)
  t.match(await iterator.next(), { value: { data: 2 } })
  await pass()
  t.same(socket.of('ack').at(-1)?.positions, positions(1))
  const waiting = iterator.next()
  await pass()
  await iterator.return?.()
  t.same(await waiting, { done: true, value: undefined })
  t.same(await iterator.next(), { done: true, value: undefined })
  t.equal(socket.of('unsubscribe').length, 1)
})

t.test('the iterator ends with the client, and throws what the server refused', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const ended = outcomeOf((async () => { for await (const message of client.channel('a')) t.fail(String(message)) })())
  const refused = outcomeOf((async () => { for await (const message of client.channel('b')) t.fail(String(message)) })())
  await pass()
  socket.say({ type: 'error', id: 2, channel: 'b', code: 'PUSH_FORBIDDEN', text: '' })
  client.close({ timeout: 0 })
  await pass(1_000)
  t.ok('value' in ended)
  t.equal(refused.code, 'PUSH_FORBIDDEN')
})

t.test('a later handler with rewind reads the history for itself, before what comes next and without repeats', async (t) => {
  const { client, socket, errors, pass } = await setUpLive()
  const a = client.channel<number>('a')
  const releases: Array<() => void> = []
  const first: number[] = []
  a.subscribe(({ data }) => {
    first.push(data)
    return new Promise<void>((resolve) => releases.push(resolve))
  })
  socket.say({ type: 'subscribed', id: 1, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 10 } })
  socket.records('a', 11, 2)
  const late: number[] = []
  a.subscribe(({ data }) => { late.push(data) }, { rewind: 3 })
  await pass()
  const [question] = socket.of('history')
  t.match(question, { channel: 'a', limit: 3 })
  releases.shift()?.()
  await pass()
  t.same(first, [11])
  const body = (offset: number) => ({ offset, id: `m${offset}`, qos: 1 as const, timestamp: 1, data: offset })
  socket.say({ type: 'history', id: question?.id as number, channel: 'a', epoch: 'e', head: 12, next: null, messages: [body(10), body(11), body(12)] })
  await pass()
  t.same(late, [10, 11, 12])
  t.same(first, [11, 12])
  releases.shift()?.()
  const third: number[] = []
  a.subscribe(({ data }) => { third.push(data) }, { from: { epoch: 'e', offset: 8 } })
  await pass()
  const ask = () => socket.of('history').at(-1)
  t.match(ask(), { after: { epoch: 'e', offset: 8 } })
  socket.say({ type: 'history', id: ask()?.id as number, channel: 'a', epoch: 'e', head: 12, next: { epoch: 'e', offset: 10 }, messages: [body(9), body(10)] })
  await pass()
  socket.say({ type: 'history', id: ask()?.id as number, channel: 'a', epoch: 'e', head: 12, next: { epoch: 'e', offset: 12 }, messages: [body(11), body(12)] })
  await pass()
  t.same(third, [9, 10, 11, 12])
  a.subscribe(() => {}, { rewind: 1 })
  await pass()
  socket.say({ type: 'error', id: ask()?.id as number, code: 'PUSH_NO_HISTORY', text: '' })
  await pass()
  t.same(errors, ['PUSH_NO_HISTORY'])
  socket.records('a', 13)
  t.same(third.at(-1), 13)
})

t.test('a later handler that wants nothing older reads no history', async (t) => {
  const { client, socket, pass } = await setUpLive({}, (client) => client.channel('a').subscribe(() => {}))
  const got: unknown[] = []
  client.channel('a').subscribe(({ data }) => got.push(data), { rewind: 0 })
  socket.records('a', 1)
  await pass()
  t.equal(socket.of('history').length, 0)
  t.same(got, [1])
})

t.test('[P-6.1] a query that makes no sense is refused on the spot', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const queries = [{ limit: 0 }, { limit: 1.5 }, { limit: 1_000_001 }, { before: 3 }, { after: { epoch: '', offset: 1 } }, { reverse: 1 }]
  const outcomes = queries.map((query) => outcomeOf(client.channel('a').history(query as never)))
  await pass()
  t.same(outcomes.map(({ code }) => code), queries.map(() => 'PUSH_INVALID'))
  t.equal(socket.of('history').length, 0)
})

t.test('a later handler with rewind whose subscription is refused hears of it once', async (t) => {
  const { client, socket, errors, pass } = await setUpLive()
  client.channel('a').subscribe(() => {})
  const late = outcomeOf(client.channel('a').subscribe(() => {}, { rewind: 1 }).ready)
  socket.say({ type: 'error', id: 1, channel: 'a', code: 'PUSH_FORBIDDEN', text: '' })
  await pass()
  t.equal(late.code, 'PUSH_FORBIDDEN')
  t.same(errors, ['PUSH_FORBIDDEN'])
})

t.test('[P-6.1] [P-3.6] history: pages, refusals, and an answer that comes on the next link', async (t) => {
  const { client, socket, platform, pass } = await setUpLive()
  const a = client.channel('a')
  const position = { epoch: 'e', offset: 4 }
  const page = outcomeOf(a.history({ limit: 2, before: position, after: position, reverse: true }))
  const refused = outcomeOf(client.channel('b').history())
  t.match(socket.of('history')[0], { channel: 'a', limit: 2, before: position, after: position, reverse: true })
  socket.drop()
  await pass(1_000)
  platform.last.welcome()
  const [first, second] = platform.last.of('history')
  platform.last.say({ type: 'subscribed', id: first?.id as number, channel: 'a', qos: 1, verdict: 'started', position }) // no answer to that
  platform.last.say({ type: 'error', id: second?.id as number, code: 'PUSH_NO_HISTORY', text: '' })
  const retry = outcomeOf(a.history())
  const third = platform.last.of('history').at(-1)
  platform.last.say({ type: 'history', id: third?.id as number, channel: 'a', epoch: 'e', head: 3, next: position, messages: [{ offset: 3, id: 'm', qos: 1, timestamp: 5, data: 'x' }] })
  await pass()
  t.same(page, {})
  t.equal(refused.code, 'PUSH_NO_HISTORY')
  t.same(retry.value, { messages: [{ channel: 'a', data: 'x', id: 'm', qos: 1, position: { epoch: 'e', offset: 3 }, timestamp: 5 }], next: position, head: { epoch: 'e', offset: 3 } })
})

t.test('[P-4.7] a reconnect resumes from what was received, and acknowledges what was handled', async (t) => {
  const got: unknown[] = []
  let release = () => {}
  const { socket, platform, pass } = await setUpLive({}, (client) => client.channel('a').subscribe(({ data }) => {
    got.push(data)
    return data === 2 ? new Promise<void>((resolve) => { release = resolve }) : undefined
  }))
  socket.records('a', 1, 3)
  await pass()
  socket.drop()
  await pass(1_000)
  t.match(platform.last.hello.subscriptions, [{ position: { epoch: 'e', offset: 3 } }])
  platform.last.welcome()
  await pass()
  t.same(platform.last.of('ack').at(-1)?.positions, positions(1))
  platform.last.records('a', 2, 3)
  release()
  await pass()
  t.same(got, [1, 2, 3, 4])
  t.same(platform.last.of('ack').at(-1)?.positions, positions(4))
})

t.test('what was handled while there was no link is acknowledged on the next', async (t) => {
  let release = () => {}
  const { socket, platform, pass } = await setUpLive({}, (client) => client.channel('a').subscribe(() => new Promise<void>((resolve) => { release = resolve })))
  socket.records('a', 1)
  socket.drop()
  release()
  await pass(1_000)
  platform.last.welcome()
  await pass()
  t.same(platform.last.of('ack').map((ack) => ack.positions), [positions(1)])
})

t.test('[P-4.6] at QoS 2 the cursor is in the store before the acknowledgement leaves, and a reload does not repeat', async (t) => {
  for (const isAsync of [false, true]) {
    const store = memoryStore(isAsync)
    const { setItem } = store
    const log: string[] = []
    store.setItem = async (key, value) => {
      await setItem(key, value)
      log.push(`saved ${JSON.parse(value).cursors.a?.offset}`)
    }
    if (!isAsync) store.setItem = (key, value) => { setItem(key, value); log.push(`saved ${JSON.parse(value).cursors.a?.offset}`) }
    const { client, platform, pass } = await setUpLive({ store }, (client) => client.channel('a').subscribe(() => {}, { qos: 2 }))
    const { last } = platform
    const send = last.send.bind(last)
    last.send = (text) => { if (text.includes('"ack"')) log.push('ack'); send(text) }
    last.records('a', 1, 2)
    await pass()
    last.records('a', 3)
    await pass()
    t.same(log, ['saved 2', 'ack', 'saved 3', 'ack'])
    last.say({ type: 'confirmed', positions: positions(3) })
    client.close()
    await pass(1_000)

    const next = setUp({ store })
    const got: unknown[] = []
    next.client.channel('a').subscribe(({ data }) => got.push(data), { qos: 2, rewind: 5 })
    await next.pass()
    t.match(next.platform.last.hello, { session: 'secret-000000000000001', subscriptions: [{ channel: 'a', position: { epoch: 'e', offset: 3 } }] })
    next.platform.last.welcome().records('a', 2, 3)
    t.same(got, [4])
  }
})

t.test('a store that throws, rejects or hangs is reported, and the client goes on', async (t) => {
  const broken = { getItem: () => { throw new Error('denied') }, setItem: () => { throw new Error('quota') }, removeItem: () => {} }
  const { socket, errors, pass } = await setUpLive({ store: broken }, (client) => client.channel('a').subscribe(() => {}, { qos: 2 }))
  socket.records('a', 1)
  await pass()
  t.same(socket.of('ack').at(-1)?.positions, positions(1))
  t.same(errors, ['PUSH_STORAGE_UNAVAILABLE', 'PUSH_STORAGE_UNAVAILABLE'])
  const hanging = setUp({ store: { getItem: () => new Promise(() => {}), setItem: () => Promise.reject(new Error('no')), removeItem: () => {} } })
  hanging.client.connect()
  await hanging.pass(5_000)
  t.equal(hanging.platform.sockets.length, 1)
})

t.test('[P-4.8] close waits for handlers at work and for confirmations, within bounds', async (t) => {
  const { client, socket, platform, pass } = await setUpLive({}, (client) => client.channel('a').subscribe(({ data }) => data === 1 ? promise : t.fail('handed over after close'), { qos: 2 }))
  let release = () => {}
  const promise = new Promise<void>((resolve) => { release = resolve })
  socket.records('a', 1, 2)
  const closed = outcomeOf(client.close())
  await pass(100)
  t.equal(client.state, 'live')
  release()
  await pass(100)
  t.same(socket.of('ack').at(-1)?.positions, positions(1))
  t.equal(client.state, 'live')
  socket.say({ type: 'confirmed', positions: positions(1) })
  t.equal(client.state, 'live')
  await pass()
  t.equal(client.state, 'closed')
  t.same(socket.closedWith, [1000, 'PUSH_CLOSED'])
  t.notOk('value' in closed)
  await pass(1_000)
  t.ok('value' in closed)
  t.equal(socket.state, 'abandoned')
  t.equal(platform.manual.pending, 0)
  await client.close()

  const second = await setUpLive({}, (client) => client.channel('a').subscribe(() => { throw new Error('always') }, { qos: 2 }))
  second.socket.records('a', 1)
  const over = outcomeOf(second.client.close({ timeout: 300 }))
  await second.pass()
  second.socket.drop(1000, 'PUSH_CLOSED')
  await second.pass()
  t.ok('value' in over)
  t.equal(second.socket.of('ack').length, 0)
  t.equal(second.platform.manual.pending, 0)
})

t.test('listeners of a channel that throw are told to the client, and released ones hear nothing', async (t) => {
  const { client, socket, errors } = await setUpLive({}, (client) => client.channel('a').subscribe(() => {}))
  const gaps: unknown[] = []
  const a = client.channel('a')
  const offs = [a.on('gap', () => { throw new Error('no') }), a.on('gap', (gap) => { gaps.push(gap) })]
  const say = (offset: number) => socket.say({ type: 'gap', channel: 'a', reason: 'epoch', from: null, to: null, count: null, position: { epoch: 'f', offset } })
  say(1)
  t.same(errors, ['PUSH_HANDLER_FAILED'])
  for (const off of offs) off()
  say(2)
  t.equal(gaps.length, 1)
})

t.test('options that make no sense are refused on the spot', (t) => {
  const a = setUp({ connect: false }).client.channel('a')
  for (const options of [{ qos: 3 }, { rewind: -1 }, { rewind: 1.5 }, { from: { epoch: '', offset: 1 } }]) {
    t.throws(() => a.subscribe(() => {}, options as never), { code: 'PUSH_INVALID' })
  }
  t.end()
})

t.test('close does not wait for a loop that holds a message, nor acknowledge it', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const iterator = client.channel('a')[Symbol.asyncIterator]()
  socket.say({ type: 'subscribed', id: 1, channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } })
  socket.records('a', 1)
  await iterator.next()
  client.close()
  await pass()
  t.equal(client.state, 'closed')
  t.same(await iterator.next(), { done: true, value: undefined })
  t.equal(socket.of('ack').length, 0)
})
