import t from 'tap'
import { setUp } from './helpers.js'

/** A store in memory, as `sessionStorage` has it. */
function memoryStore () {
  const items = new Map<string, string>()
  return { items, getItem: (key: string) => items.get(key) ?? null, setItem: (key: string, value: string) => { items.set(key, value) }, removeItem: (key: string) => { items.delete(key) } }
}

t.test('the inbox is a channel without publish, and its cursor is kept like every other', async (t) => {
  const store = memoryStore()
  const { client, platform, pass } = setUp({ store })
  const seen: unknown[] = []
  client.inbox.subscribe(({ channel, data }) => { seen.push([channel, data]) })
  t.notOk('publish' in client.inbox)
  await pass()
  t.match(platform.last.hello.subscriptions, [{ channel: '$inbox', qos: 1 }])
  platform.last.welcome().records('$inbox', 1, 2)
  await pass()
  t.same(seen, [['$inbox', 1], ['$inbox', 2]])
  t.match(platform.last.of('ack').at(-1)?.positions, [{ channel: '$inbox', epoch: 'e', offset: 2 }])
  client.close()
  await pass(10_000)
  const next = setUp({ store })
  next.client.inbox.subscribe(() => {})
  await next.pass()
  t.match(next.platform.last.hello.subscriptions, [{ channel: '$inbox', position: { epoch: 'e', offset: 2 } }])
  t.same(next.errors, [])
})

t.test('[P-6.4] unread is asked once there is a connection, and again on the next one', async (t) => {
  const { client, platform, pass } = setUp()
  const unread = client.inbox.unread()
  await pass()
  platform.last.welcome()
  await pass()
  t.match(platform.last.of('unread'), [{ channel: '$inbox' }])
  platform.last.drop()
  await pass(30_000)
  const socket = platform.last.welcome()
  await pass()
  const [{ id } = { id: 0 }] = socket.of('unread')
  socket.say({ type: 'unread', id, channel: '$inbox', count: 3 })
  t.equal(await unread, 3)
})

t.test('unread that is refused', async (t) => {
  const { client, platform, pass } = setUp()
  await pass()
  const socket = platform.last.welcome()
  await pass()
  const unread = client.channel('room/1').unread()
  socket.say({ type: 'error', id: socket.of('unread')[0]?.id ?? 0, code: 'PUSH_FORBIDDEN', text: 'no' })
  await t.rejects(unread, { code: 'PUSH_FORBIDDEN' })
  const closed = client.channel('room/1').unread()
  client.close()
  await pass(10_000)
  await t.rejects(closed, { code: 'PUSH_CLOSED' })
})
