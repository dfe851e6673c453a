import t from 'tap'
import type { Message } from '../../types/message.js'
import { outcomeOf, setUpLive } from './helpers.js'

const granted = (channel = 'room/1', qos: 0 | 1 | 2 = 1, offset = 0) => ({ type: 'subscribed' as const, channel, qos, verdict: 'started' as const, position: { epoch: 'e', offset } })

t.test('[P-3.8] what the server subscribes to comes as the event message, and is acknowledged', async (t) => {
  const { client, socket, pass, platform } = await setUpLive()
  const messages: Message[] = []
  client.on('message', (message) => { messages.push(message) })
  socket.say(granted())
  socket.records('room/1', 1, 2)
  await pass()
  t.same(messages.map(({ channel, data }) => [channel, data]), [['room/1', 1], ['room/1', 2]])
  t.match(socket.of('ack').at(-1), { positions: [{ channel: 'room/1', offset: 2 }] })
  t.same(socket.of('subscribe'), [], 'it asks for nothing')
  socket.drop()
  await pass(1000)
  t.same(platform.last.hello.subscriptions, [{ channel: 'room/1', qos: 1, position: { epoch: 'e', offset: 2 } }], 'later hellos list it')
  platform.last.welcome()
  platform.last.records('room/1', 3)
  t.equal(messages.length, 3)
})

t.test('handlers of the channel get it too, whenever they join', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const events: unknown[] = []
  const handled: unknown[] = []
  client.on('message', ({ data }) => { events.push(data) })
  socket.say(granted())
  socket.records('room/1', 1)
  const subscription = client.channel('room/1').subscribe(({ data }) => { handled.push(data) })
  await pass()
  t.same(outcomeOf(subscription.ready), {})
  await subscription.ready
  socket.records('room/1', 2)
  await pass()
  t.same([events, handled], [[1, 2], [2]])
  const left = subscription.unsubscribe()
  await left
  t.same(socket.of('unsubscribe'), [], 'the server’s word still holds')
  socket.records('room/1', 3)
  await pass()
  t.same([events, handled], [[1, 2, 3], [2]])
})

t.test('the server raises the QoS of what is there', async (t) => {
  const { client, socket, pass } = await setUpLive({}, (client) => client.channel('room/1').subscribe(() => {}, { qos: 0 }))
  const events: unknown[] = []
  client.on('message', ({ data }) => { events.push(data) })
  socket.say(granted('room/1', 1))
  socket.say(granted('room/1', 2))
  socket.records('room/1', 1)
  await pass()
  t.same(events, [1], 'once, however often the server says so')
  t.same(socket.of('subscribe'), [])
  t.match(socket.of('ack').at(-1), { positions: [{ offset: 1 }] })
})

t.test('[P-3.7] what the server ends has ended: an error, and no asking again', async (t) => {
  const got: unknown[] = []
  const { client, socket, pass, platform, errors } = await setUpLive({}, (client) => client.channel('room/1').subscribe(({ data }) => { got.push(data) }))
  const told: string[] = []
  client.channel('room/1').on('error', ({ code }) => { told.push(code) })
  socket.records('room/1', 1)
  socket.say({ type: 'unsubscribed', channel: 'room/1', code: 'PUSH_FORBIDDEN' })
  socket.records('room/1', 2)
  await pass(60)
  t.same(got, [1])
  t.same([told, errors], [['PUSH_FORBIDDEN'], ['PUSH_FORBIDDEN']])
  t.same(socket.of('subscribe'), [])
  socket.drop()
  await pass(1000)
  t.same(platform.last.hello.subscriptions, [])
  platform.last.welcome()
  client.channel('room/1').subscribe(() => {})
  t.match(platform.last.of('subscribe'), [{ channel: 'room/1' }], 'the application may')
})

t.test('an iterator ends with it', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const next = client.channel('room/1')[Symbol.asyncIterator]().next()
  const outcome = outcomeOf(next)
  await pass()
  socket.say({ type: 'unsubscribed', channel: 'room/1', code: 'PUSH_FORBIDDEN' })
  await pass()
  t.equal(outcome.code, 'PUSH_FORBIDDEN')
})

t.test('a host in trouble is asked again later', async (t) => {
  const { socket, pass, errors } = await setUpLive({}, (client) => client.channel('room/1').subscribe(() => {}))
  socket.say({ type: 'unsubscribed', channel: 'room/1', code: 'PUSH_UNAVAILABLE' })
  t.same(errors, ['PUSH_UNAVAILABLE'])
  await pass(20_000)
  t.match(socket.of('subscribe'), [{ channel: 'room/1' }])
})

t.test('what the server ended and had begun is over, and a code of a newer server ends for good', async (t) => {
  const { client, socket, pass, errors } = await setUpLive()
  const events: unknown[] = []
  client.on('message', ({ data }) => { events.push(data) })
  socket.say(granted(), { type: 'unsubscribed', channel: 'room/1', code: 'PUSH_LATER_ON' }, { type: 'unsubscribed', channel: 'room/9' })
  socket.records('room/1', 1)
  await pass()
  t.same(events, [])
  t.same(errors, ['PUSH_INVALID'])
})

t.test('a listener that throws keeps nobody from anything', async (t) => {
  const { client, socket, pass, errors } = await setUpLive()
  client.on('message', () => { throw new Error('bug') })
  socket.say(granted())
  socket.records('room/1', 1)
  await pass()
  t.same(errors, ['PUSH_HANDLER_FAILED'])
  t.match(socket.of('ack').at(-1), { positions: [{ offset: 1 }] }, 'an event is no handler')
})

t.test('[P-8.1] the reason of a goodbye reaches the application', async (t) => {
  const { client, socket } = await setUpLive()
  const told: string[] = []
  client.on('error', ({ code, message }) => { told.push(`${code}: ${message}`) })
  socket.say({ type: 'goodbye', code: 'PUSH_FORBIDDEN', reason: 'signed out' })
  socket.drop(4403, 'PUSH_FORBIDDEN')
  t.same(told, ['PUSH_FORBIDDEN: signed out'])
})
