import t from 'tap'
import type { PresenceCause } from '../../types/presence.js'
import { outcomeOf, setUp, setUpLive, type ScriptedSocket } from './helpers.js'

const room = 'room/1'
const log = '$presence/room/1'
const member = (id: string, data?: unknown) => ({ id, clientId: id, ...(data === undefined ? {} : { data }) })

/** Events of the log from `from` on. */
function happen (socket: ScriptedSocket, from: number, ...events: Array<[cause: PresenceCause, id: string, data?: unknown]>): void {
  socket.say({ type: 'messages', channel: log, epoch: 'e', from, messages: events.map(([cause, id, data], i) => ({ id: `m${from + i}`, qos: 1, timestamp: 1, data: { cause, member: member(id, data) } })) })
}

function answerList (socket: ScriptedSocket, offset: number, members: ReturnType<typeof member>[], next: string | null = null, channel = room): void {
  const { id } = socket.of('presence').at(-1) ?? { id: 0 }
  socket.say({ type: 'presence', id, channel, members, next, counts: { users: 0, connections: members.length }, epoch: 'e', offset })
}

function answerSubscribe (socket: ScriptedSocket, offset: number, channel = log): void {
  const { id, qos } = socket.of('subscribe').at(-1) ?? { id: 0, qos: 1 }
  socket.say({ type: 'subscribed', id, channel, qos, verdict: 'started', position: { epoch: 'e', offset } })
}

t.test('enter: answered, entered again on the next link, left', async (t) => {
  const { platform, client, socket, pass, errors } = await setUpLive()
  const channel = client.channel(room)
  const data = { mood: 'curious' }
  const entered = outcomeOf(channel.enter(data))
  data.mood = 'changed'
  t.match(socket.of('enter'), [{ channel: room, data: { mood: 'curious' } }])
  socket.say({ type: 'entered', id: socket.of('enter')[0]?.id ?? 0, channel: room })
  await pass()
  t.ok('value' in entered)
  socket.drop()
  await pass(1000)
  const second = platform.last.welcome()
  t.match(second.of('enter'), [{ channel: room, data: { mood: 'curious' } }])
  const left = outcomeOf(channel.leave())
  second.say({ type: 'entered', id: second.of('enter')[0]?.id ?? 0, channel: room })
  second.drop()
  await pass(1000)
  const third = platform.last.welcome()
  t.same([third.of('enter').length, third.of('leave').length], [0, 1], 'it is not known whether the server has heard of the leave')
  third.say({ type: 'left', id: third.of('leave')[0]?.id ?? 0, channel: room })
  await pass()
  t.ok('value' in left)
  third.drop()
  await pass(1000)
  const fourth = platform.last.welcome()
  t.same([fourth.of('enter').length, fourth.of('leave').length], [0, 0])
  t.same(errors, [])
})

t.test('[P-3.7] what the server ends is entered again if it says later, and given up otherwise; told once', async (t) => {
  const { platform, client, socket, pass } = await setUpLive()
  const told: unknown[] = []
  for (const name of [room, 'room/2', 'room/3']) {
    client.channel(name).on('error', ({ code }: { code: string }) => { told.push([name, code]) })
    client.channel(name).enter().catch(t.error)
    socket.say({ type: 'entered', id: socket.of('enter').at(-1)?.id ?? 0, channel: name })
  }
  client.channel('room/3').subscribe(() => {})
  await pass()
  socket.say({ type: 'unsubscribed', channel: room, code: 'PUSH_FORBIDDEN' })
  socket.say({ type: 'unsubscribed', channel: 'room/2', code: 'PUSH_UNAVAILABLE' })
  socket.say({ type: 'unsubscribed', channel: 'room/3', code: 'PUSH_FORBIDDEN' })
  t.same(told, [[room, 'PUSH_FORBIDDEN'], ['room/2', 'PUSH_UNAVAILABLE'], ['room/3', 'PUSH_FORBIDDEN']])
  await pass(20_000)
  t.same(socket.of('enter').slice(3).map(({ channel }) => channel), ['room/2'])
  socket.drop()
  await pass(1000)
  t.same(platform.last.welcome().of('enter').map(({ channel }) => channel), ['room/2'])
})

t.test('enter while offline waits; the latest counts', async (t) => {
  const { platform, client, pass } = setUp()
  const channel = client.channel(room)
  const outcomes = [outcomeOf(channel.enter(1)), outcomeOf(channel.leave()), outcomeOf(channel.enter(2)), outcomeOf(channel.enter(3))]
  await pass()
  const socket = platform.last.welcome()
  t.match(socket.frames.filter(({ type }) => type === 'enter' || type === 'leave'), [{ type: 'enter', data: 3 }])
  socket.say({ type: 'entered', id: socket.of('enter')[0]?.id ?? 0, channel: room })
  await pass()
  t.match(outcomes, [{ code: 'PUSH_ABORTED' }, { code: 'PUSH_ABORTED' }, { value: undefined }, { value: undefined }])
})

t.test('what the server refuses for good ends it; what it cannot do now is asked for again', async (t) => {
  const { client, socket, pass, errors } = await setUpLive()
  const channel = client.channel(room)
  const told: string[] = []
  channel.on('error', ({ code }) => { told.push(code) })
  const refuse = (code: string) => socket.say({ type: 'error', id: socket.of('enter').at(-1)?.id ?? 0, channel: room, code, text: '' })
  const forbidden = outcomeOf(channel.enter())
  refuse('PUSH_FORBIDDEN')
  await pass(5000)
  t.match(forbidden, { code: 'PUSH_FORBIDDEN' })
  const later = outcomeOf(channel.enter())
  refuse('PUSH_STORAGE_UNAVAILABLE')
  t.same([told, errors], [['PUSH_STORAGE_UNAVAILABLE'], ['PUSH_STORAGE_UNAVAILABLE']])
  await pass(5000)
  socket.say({ type: 'entered', id: socket.of('enter').at(-1)?.id ?? 0, channel: room })
  await pass()
  t.equal(socket.of('enter').length, 3)
  t.ok('value' in later)
  const circle: { self?: unknown } = {}
  circle.self = circle
  for (const data of [circle, () => {}, 1n]) t.match(await channel.enter(data).then(() => 'taken', ({ code }) => code), 'PUSH_INVALID')
  t.equal(await channel.enter('x'.repeat(70_000)).then(() => 'taken', ({ code }) => code), 'PUSH_TOO_LARGE')
  t.equal(socket.of('enter').length, 3, 'the server would have closed the connection')
  client.close({ timeout: 0 })
  await pass(2000)
  t.equal(await channel.enter().then(() => 'taken', ({ code }) => code), 'PUSH_CLOSED')
})

t.test('presence reads a page', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const page = outcomeOf(client.channel(room).presence({ limit: 1, after: 'a' }))
  t.match(socket.of('presence'), [{ channel: room, limit: 1, after: 'a' }])
  answerList(socket, 5, [member('b', 2)], 'b')
  await pass()
  t.same(page.value, { members: [member('b', 2)], next: 'b', users: 0, connections: 1 })
  for (const options of [{ limit: -1 }, { limit: 1.5 }, { after: '' }, { after: 'x'.repeat(65) }]) {
    t.equal(await client.channel(room).presence(options).then(() => 'read', ({ code }) => code), 'PUSH_INVALID')
  }
})

t.test('listening watches: the log first, then the list, then what happens', async (t) => {
  const { platform, client, socket, pass } = await setUpLive()
  const heard: string[] = []
  const note = (event: string) => ({ id, data, cause }: { id: string, data?: unknown, cause: string }) => { heard.push(`${event} ${id} ${JSON.stringify(data) ?? '-'} ${cause}`) }
  const channel = client.channel(room)
  const off = [channel.on('join', note('join')), channel.on('leave', note('leave')), channel.on('update', note('update'))]
  await pass()
  t.match(socket.of('subscribe'), [{ channel: log, qos: 1 }])
  t.equal(socket.of('presence').length, 0, 'not before the subscription has an answer')
  answerSubscribe(socket, 3)
  answerList(socket, 4, [member('a', 1)], 'a')
  t.match(socket.of('presence').at(-1), { after: 'a' })
  answerList(socket, 5, [member('b')])
  t.same(heard, [])
  happen(socket, 4, ['join', 'a', 1], ['join', 'b'])
  t.same(heard.splice(0), ['join a 1 join', 'join b - join'])
  happen(socket, 6, ['update', 'a', 2], ['leave', 'b'], ['back', 'b'])
  t.same(heard.splice(0), ['update a 2 update', 'leave b - leave', 'join b - back'])

  const late: string[] = []
  const offLate = channel.on('join', ({ id, cause }) => { late.push(`${id} ${cause}`) })
  channel.on('join', () => { late.push('released at once') })()
  await pass()
  t.same([late, heard], [['a list', 'b list'], []], 'who listens later is told who is there')
  offLate()

  socket.drop()
  await pass(1000)
  const second = platform.last
  t.match(second.hello.subscriptions, [{ channel: log, position: { epoch: 'e', offset: 8 } }])
  second.welcome()
  t.equal(second.of('presence').length, 0, 'what was missed comes from the log')
  happen(second, 9, ['timeout', 'a'])
  t.same(heard.splice(0), ['leave a 2 timeout'])

  second.drop()
  await pass(1000)
  const third = platform.last
  const gap = { reason: 'retention' as const, from: 10, to: 40, count: 31 }
  third.welcome({ subscriptions: [{ channel: log, qos: 1, verdict: 'lost', position: { epoch: 'e', offset: 40 }, gap }] })
  t.equal(third.of('presence').length, 1, 'after a gap it is read again')
  answerList(third, 41, [member('c')])
  happen(third, 41, ['join', 'c'])
  t.same(heard.splice(0), ['leave b - list', 'join c - join'])
  off.forEach((release) => release())
  await pass()
  t.match(third.of('unsubscribe'), [{ channel: log }])
})

t.test('a gap while the list is read begins it anew', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const heard: string[] = []
  client.channel(room).on('join', ({ id }) => { heard.push(id) })
  await pass()
  answerSubscribe(socket, 0)
  const [first] = socket.of('presence')
  socket.say({ type: 'gap', channel: log, reason: 'epoch', from: null, to: null, count: null, position: { epoch: 'f', offset: 0 } })
  t.equal(socket.of('presence').length, 2)
  socket.say({ type: 'presence', id: first?.id ?? 0, channel: room, members: [member('old')], next: null, counts: { users: 0, connections: 1 }, epoch: 'e', offset: 0 })
  t.same(heard, [])
  socket.say({ type: 'presence', id: socket.of('presence').at(-1)?.id ?? 0, channel: room, members: [member('new')], next: null, counts: { users: 0, connections: 1 }, epoch: 'f', offset: 0 })
  t.same(heard, ['new'])
})

t.test('a list that cannot be read now is asked for again; a refusal is told', async (t) => {
  const { client, socket, pass, errors } = await setUpLive()
  const told: string[] = []
  client.channel(room).on('error', ({ code }) => { told.push(code) })
  client.channel(room).on('join', ({ id }) => { told.push(id) })
  await pass()
  answerSubscribe(socket, 0)
  const refuse = (code: string, type: 'presence' | 'subscribe' = 'presence', channel = room) => socket.say({ type: 'error', id: socket.of(type).at(-1)?.id ?? 0, channel, code, text: '' })
  refuse('PUSH_BUSY')
  await pass(5000)
  t.equal(socket.of('presence').length, 2)
  answerList(socket, 0, [member('a')])
  t.same(told, ['a'], 'that it has to wait is nobody\'s error')
  client.channel('room/2').on('error', ({ code }) => { told.push(code) })
  client.channel('room/2').on('join', () => {})
  await pass()
  refuse('PUSH_FORBIDDEN', 'subscribe', '$presence/room/2')
  t.same([told.slice(1), errors], [['PUSH_FORBIDDEN'], ['PUSH_FORBIDDEN']])
})

t.test('a listener that throws harms nobody', async (t) => {
  const { client, socket, pass, errors } = await setUpLive()
  const heard: string[] = []
  client.channel(room).on('join', () => { throw new Error('mine') })
  client.channel(room).on('join', ({ id }) => { heard.push(id) })
  await pass()
  answerSubscribe(socket, 0)
  answerList(socket, 0, [member('a')])
  client.channel(room).on('join', () => { throw new Error('mine too') })
  await pass()
  t.same([heard, errors], [['a'], ['PUSH_HANDLER_FAILED', 'PUSH_HANDLER_FAILED']])
})

t.test('a user is online or offline', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const heard: string[] = []
  const user = client.user('al ice')
  const off = [user.on('online', () => { heard.push('online') }), user.on('offline', () => { heard.push('offline') })]
  await pass()
  const [channel, ofUser] = ['$user/al%20ice', '$presence/$user/al%20ice']
  t.match(socket.of('subscribe'), [{ channel: ofUser }])
  answerSubscribe(socket, 0, ofUser)
  answerList(socket, 0, [], null, channel)
  t.same(heard.splice(0), ['offline'])
  const say = (from: number, cause: PresenceCause, id: string) => socket.say({ type: 'messages', channel: ofUser, epoch: 'e', from, messages: [{ id: `m${from}`, qos: 1, timestamp: 1, data: { cause, member: member(id) } }] })
  say(1, 'join', 'phone')
  say(2, 'join', 'laptop')
  say(3, 'leave', 'phone')
  t.same(heard.splice(0), ['online'])
  const late: string[] = []
  user.on('online', () => { late.push('online') })()
  user.on('online', () => { late.push('online') })
  await pass()
  t.same(late, ['online'])
  say(4, 'timeout', 'laptop')
  t.same(heard.splice(0), ['offline'])
  off.forEach((release) => release())
  for (const id of ['', 'x'.repeat(257), '\ud800']) t.throws(() => client.user(id), { code: 'PUSH_INVALID' })
})

t.test('a watch that the server ends is over: whoever listens later watches anew', async (t) => {
  const { client, socket, pass, errors } = await setUpLive()
  const heard: string[] = []
  const channel = client.channel(room)
  channel.on('join', ({ id }) => { heard.push(id) })
  await pass()
  answerSubscribe(socket, 0)
  answerList(socket, 0, [member('a')])
  socket.say({ type: 'unsubscribed', channel: log, code: 'PUSH_FORBIDDEN' })
  const off = channel.on('join', ({ id, cause }) => { heard.push(`again ${id} ${cause}`) })
  await pass()
  t.same([heard.splice(0), errors], [['a'], ['PUSH_FORBIDDEN']], 'the old list is nobody\'s')
  t.equal(socket.of('subscribe').length, 2)
  answerSubscribe(socket, 5)
  answerList(socket, 5, [member('b')])
  t.same(heard.splice(0), ['again b list'])
  off()
  await pass()
  t.equal(socket.of('unsubscribe').length, 1)
})

t.test('a list that is refused for good ends the watch', async (t) => {
  const { client, socket, pass, errors } = await setUpLive()
  const channel = client.channel(room)
  channel.on('join', () => {})
  await pass()
  answerSubscribe(socket, 0)
  socket.say({ type: 'error', id: socket.of('presence').at(-1)?.id ?? 0, channel: room, code: 'PUSH_FORBIDDEN', text: '' })
  await pass()
  t.same(errors, ['PUSH_FORBIDDEN'])
  t.match(socket.of('unsubscribe'), [{ channel: log }], 'the log would be gathered for nothing')
  channel.on('join', () => {})
  await pass()
  t.equal(socket.of('subscribe').length, 2)
})

t.test('the end of the client ends its watches, without an error or a timer', async (t) => {
  const { client, socket, pass, errors, platform } = await setUpLive()
  client.channel(room).on('join', () => {})
  await pass()
  answerSubscribe(socket, 0)
  t.equal(socket.of('presence').length, 1)
  client.close()
  await pass(20_000)
  t.same(errors, [])
  t.equal(platform.manual.pending, 0)
  client.channel(room).on('join', () => {})()
  await pass()
  t.same(errors, [])
})

t.test('who is released while it is told of the list hears no more of it', async (t) => {
  const { client, socket, pass } = await setUpLive()
  const channel = client.channel(room)
  channel.on('join', () => {})
  await pass()
  answerSubscribe(socket, 0)
  answerList(socket, 0, [member('a'), member('b')])
  const heard: string[] = []
  const off = channel.on('join', ({ id }) => { heard.push(id); off() })
  await pass()
  t.same(heard, ['a'])
})

t.test('what keeps a client from knowing of a user is told', async (t) => {
  const { client, socket, pass, errors } = await setUpLive()
  const told: string[] = []
  const user = client.user('bob')
  const off = user.on('error', ({ code }) => { told.push(code) })
  user.on('online', () => {})
  await pass()
  const refuse = () => socket.say({ type: 'error', id: socket.of('subscribe').at(-1)?.id ?? 0, channel: '$presence/$user/bob', code: 'PUSH_FORBIDDEN', text: '' })
  refuse()
  t.same([told, errors], [['PUSH_FORBIDDEN'], ['PUSH_FORBIDDEN']])
  off()
  user.on('online', () => {})
  await pass()
  refuse()
  t.equal(told.length, 1)
})
