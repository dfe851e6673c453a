import t from 'tap'
import type { Client } from '../../lib/client/api.js'
import type { Message, Position } from '../../types/message.js'
import type { PresencePage } from '../../types/presence.js'
import type { PublishResult, Receipt } from '../../types/push.js'
import { Fleet, hear, until } from './fleet.js'

// What a host asks of one node, of clients that are on another.

const ROOM = 'room/1'

/** What the server gave a client on its own account. */
function given (client: Client): Message[] {
  const messages: Message[] = []
  client.on('message', (message) => { messages.push(message) })
  return messages
}

t.test('clients by user and by name, from a node where they are not: subscribed, unsubscribed, disconnected', async (t) => {
  const fleet = await Fleet.start(t, 2)
  const [here, there] = [fleet.node(0), fleet.node(1)]
  const [phone, laptop, other] = [['phone', 'alice'], ['laptop', 'alice'], ['phone', 'bob']].map(([clientId = '', token = '']) => fleet.open(there.url, { clientId, token })) as [Client, Client, Client]
  const got = [phone, laptop, other].map(given)
  await Promise.all([phone, laptop, other].map((client) => client.channel('room/2').history()))
  const counts = (): number[] => got.map(({ length }) => length)

  await here.call('clients.subscribe', { userId: 'alice' }, ROOM)
  await until(async () => {
    await here.call('publish', ROOM, 'to a user')
    return counts()[0] !== 0 && counts()[1] !== 0
  }, 'both clients of the user have it')
  t.equal(got[2]?.length, 0, 'the other user has not')

  await here.call('clients.unsubscribe', { userId: 'alice', clientId: 'laptop' }, ROOM)
  await until(async () => {
    const before = counts()
    await here.call('publish', ROOM, 'to one client of it')
    await until(() => got[0]?.length !== before[0], 'the phone has it')
    return counts()[1] === before[1]
  }, 'one client of the user follows it no more')

  await here.call('clients.subscribe', { clientId: 'phone' }, 'room/3')
  await until(async () => {
    await here.call('publish', 'room/3', 'to a name')
    return [got[0], got[2]].every((messages) => messages?.some(({ channel }) => channel === 'room/3'))
  }, 'both of that name have it')
  t.notOk(got[1]?.some(({ channel }) => channel === 'room/3'))

  const ends: string[] = []
  for (const [name, client] of Object.entries({ phone, laptop, other })) client.on('state', (state, error) => { ends.push(`${name} ${state} ${error?.code ?? ''}`.trim()) })
  await here.call('clients.disconnect', { userId: 'alice', clientId: 'phone' }, { code: 'PUSH_FORBIDDEN', reason: 'signed out' })
  await until(() => phone.state === 'closed', 'it stays away')
  await here.call('clients.disconnect', { userId: 'bob' })
  await until(() => other.state === 'live' && ends.includes('other waiting'), 'it comes back')
  t.same(ends.filter((end) => end.startsWith('phone') || end.startsWith('laptop')), ['phone closed PUSH_FORBIDDEN'])
})

t.test('what is forbidden from now on ends on every node', async (t) => {
  const fleet = await Fleet.start(t, 2)
  const [here, there] = [fleet.node(0), fleet.node(1)]
  const alice = fleet.open(there.url, { clientId: 'alice', token: 'alice' })
  const errors: string[] = []
  alice.channel(ROOM).on('error', ({ code }) => { errors.push(code) })
  const heard = hear(alice, ROOM)
  await Promise.all([heard.ready, alice.channel(ROOM).enter()])
  await here.call('publish', ROOM, 1)
  await until(() => heard.data.length === 1, 'it follows')
  for (const node of fleet.nodes) await node.call('forbid', 'alice', ROOM)
  await here.call('clients.unsubscribe', { userId: 'alice' }, ROOM)
  await until(() => errors.length > 0, 'it is told')
  t.same([...new Set(errors)], ['PUSH_FORBIDDEN'])
  await until(async () => (await here.call<PresencePage>('presence', ROOM)).connections === 0, 'and is no member any more')
  await here.call('publish', ROOM, 2)
  await t.rejects(alice.channel(ROOM).history(), { code: 'PUSH_FORBIDDEN' })
  await t.rejects(alice.channel(ROOM).publish(3), { code: 'PUSH_FORBIDDEN' })
  t.same(heard.data, [1])
  t.equal(alice.state, 'live')
})

t.test('inbox, unread, receipt, online and lastSeen across nodes', async (t) => {
  const fleet = await Fleet.start(t, 2)
  const [here, there] = [fleet.node(0), fleet.node(1)]
  const sent = await here.call<PublishResult>('send', 'alice', 'while away')
  const position = sent.position as Position
  t.equal(await there.call('unread', 'alice'), 1)
  t.equal(await there.call('online', 'alice'), false)

  // Nobody has handled it before both have it: a new client starts at what none of the others has acknowledged.
  let handle = (): void => {}
  const handled = new Promise<void>((resolve) => { handle = resolve })
  const inbox = [['phone', here], ['laptop', there]].map(([clientId, node]) => {
    const client = fleet.open((node as typeof here).url, { clientId: clientId as string, token: 'alice' })
    const data: unknown[] = []
    client.inbox.subscribe((message) => {
      data.push(message.data)
      return handled
    })
    return { client, data }
  })
  await until(() => inbox.every(({ data }) => data.length === 1), 'both of the user have it')
  handle()
  for (const node of [here, there]) await until(async () => await node.call('unread', 'alice') === 0, 'it is read, wherever one asks')
  await until(async () => (await there.call<Receipt>('receipt', { userId: 'alice' }, position)).acknowledged.length === 2, 'both have acknowledged it')
  t.same((await here.call<Receipt>('receipt', { userId: 'alice' }, position)).acknowledged.map(({ clientId }) => clientId).sort(), ['laptop', 'phone'])
  t.same(await there.call('online', ['alice', 'bob']), ['alice'])
  await inbox[0]?.client.close()
  t.equal(await here.call('online', 'alice'), true, 'on the other node still')
  await inbox[1]?.client.close()
  for (const node of [here, there]) {
    await until(async () => !(await node.call<boolean>('online', 'alice')), 'gone')
    t.type(await node.call('lastSeen', 'alice'), 'string')
  }
})

t.test('what any one client is to handle is handled by one, and by the next one on another node', async (t) => {
  const fleet = await Fleet.start(t, 2)
  const [here, there] = [fleet.node(0), fleet.node(1)]
  const handled: string[] = []
  const open = async (clientId: string, node: typeof here): Promise<Client> => {
    const client = fleet.open(node.url, { clientId, token: 'alice' })
    await client.inbox.any.subscribe(({ data }) => { handled.push(`${clientId} ${String(data)}`) }, { qos: 2 }).ready
    return client
  }
  const phone = await open('phone', here)
  await open('laptop', there)
  for (let n = 1; n <= 20; n++) await fleet.node(n % 2).call('send', 'alice', n, { deliver: 'any' })
  await until(() => handled.length >= 20, 'all are handled')
  t.same(handled.splice(0), Array.from({ length: 20 }, (_, i) => `phone ${i + 1}`), 'by one, in order')
  await phone.close()
  await there.call('send', 'alice', 21, { deliver: 'any' })
  await until(() => handled.length > 0, 'the next one goes on')
  t.same(handled, ['laptop 21'])
  await until(async () => await here.call('unread', 'alice', { deliver: 'any' }) === 0, 'and has acknowledged')
})

t.test('what clients publish on several nodes at once has one order, the same on all of them', async (t) => {
  const fleet = await Fleet.start(t, 3)
  const readers = [0, 1, 2].map((i) => hear(fleet.open(fleet.node(i).url, { clientId: `reader-${i}`, token: 'reader' }), ROOM))
  await Promise.all(readers.map(({ ready }) => ready))
  const writers = [0, 1, 2].map((i) => fleet.open(fleet.node(i).url, { clientId: `writer-${i}`, token: 'writer' }))
  await Promise.all(writers.map(async (client, i) => {
    await Promise.all(Array.from({ length: 100 }, (_, n) => client.channel(ROOM).publish(`${i} ${n}`)))
  }))
  const log = await fleet.log(ROOM)
  t.equal(log.length, 300)
  for (const i of [0, 1, 2]) t.same(log.filter((data) => String(data).startsWith(`${i} `)), Array.from({ length: 100 }, (_, n) => `${i} ${n}`), 'each writer in its order')
  await until(() => readers.every(({ data }) => data.length >= 300), 'all have them')
  for (const { data } of readers) t.same(data, log)
})
