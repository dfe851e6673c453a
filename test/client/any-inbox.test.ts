import t from 'tap'
import type { QoS } from '../../types/message.js'
import { memoryStore, outcomeOf, setUp, type ScriptedSocket } from './helpers.js'

const ANY = '$inbox/any'
const held = { subscriptions: [{ channel: ANY, code: 'PUSH_HELD' }] }
const turn = (socket: ScriptedSocket, offset: number, qos: QoS = 1) => socket.say({ type: 'subscribed', channel: ANY, qos, verdict: 'resumed', position: { epoch: 'e', offset } })
const lose = (socket: ScriptedSocket) => socket.say({ type: 'unsubscribed', channel: ANY, code: 'PUSH_HELD' })
const acked = (socket: ScriptedSocket) => socket.of('ack').map(({ positions }) => positions.map(({ offset }) => offset)).flat()

/** A client with a handler that settles when the test says so. */
async function start (options: { qos?: QoS, welcome?: object, store?: ReturnType<typeof memoryStore> } = {}) {
  const { qos = 1, welcome = {}, ...more } = options
  const set = setUp(more)
  const seen: unknown[] = []
  const release: Array<() => void> = []
  const hold = { on: false }
  const { ready, unsubscribe } = set.client.inbox.any.subscribe(({ channel, data }) => {
    seen.push(channel === ANY ? data : channel)
    return hold.on ? new Promise<void>((resolve) => { release.push(resolve) }) : undefined
  }, { qos })
  await set.pass()
  const socket = set.platform.last.welcome(welcome)
  await set.pass()
  return { ...set, socket, seen, release, hold, ready: outcomeOf(ready), unsubscribe }
}

t.test('[P-6.5] it reads where the server says, and tells no position of its own', async (t) => {
  const { socket, seen, platform, pass, errors } = await start()
  t.same(socket.hello.subscriptions, [{ channel: ANY, qos: 1 }])
  socket.records(ANY, 1, 2)
  await pass()
  t.same(seen, [1, 2])
  t.equal(acked(socket).at(-1), 2)
  socket.drop()
  t.same(errors, [])
  await pass(30_000)
  t.same(platform.last.hello.subscriptions, [{ channel: ANY, qos: 1 }])
})

for (const how of ['the welcome', 'the answer'] as const) {
  t.test(`[P-6.6] standing in line by ${how}: no error, no retry, ready, and live when its turn comes`, async (t) => {
    const late = how === 'the answer'
    const { socket, seen, pass, errors, ready, client } = await start({ welcome: late ? { subscriptions: [] } : held })
    if (late) {
      const [{ id } = { id: 0 }] = socket.of('subscribe')
      socket.say({ type: 'error', id, channel: ANY, code: 'PUSH_HELD', text: 'another one reads' })
    }
    await pass(30_000)
    t.same(errors, [])
    t.ok('value' in ready, 'it is in line')
    t.equal(socket.of('subscribe').length, late ? 1 : 0)
    turn(socket, 7)
    socket.records(ANY, 8, 2)
    await pass(1000)
    t.same(seen, [8, 9])
    t.equal(acked(socket).at(-1), 9)
    const others: unknown[] = []
    client.on('message', ({ data }) => { others.push(data) })
    socket.records(ANY, 10)
    await pass()
    t.same([seen, others], [[8, 9, 10], []], 'it is one subscription with one handler')
  })
}

t.test('[P-6.6] a turn that is lost: what waits is another client\'s, what is handled is not acknowledged here', async (t) => {
  const { socket, seen, pass, errors, hold, release } = await start()
  hold.on = true
  socket.records(ANY, 1, 3)
  await pass()
  t.same(seen, [1], 'the second waits for the first')
  lose(socket)
  hold.on = false
  release[0]?.()
  await pass(1000)
  t.same(seen, [1], 'and is another one\'s now')
  t.same(acked(socket), [])
  t.same(errors, [])
  turn(socket, 0)
  socket.records(ANY, 1, 3)
  await pass(1000)
  t.same(seen, [1, 2, 3], 'what it handled itself it does not handle again')
  t.equal(acked(socket).at(-1), 3)
  lose(socket)
  turn(socket, 9)
  socket.records(ANY, 10)
  await pass(1000)
  t.same(seen, [1, 2, 3, 10], 'what others handled meanwhile is not its')
  t.equal(acked(socket).at(-1), 10)
})

t.test('a connection that is lost is a turn that may be lost', async (t) => {
  const { socket, seen, platform, pass, hold, release } = await start()
  hold.on = true
  socket.records(ANY, 1, 3)
  await pass()
  socket.drop()
  hold.on = false
  release[0]?.()
  await pass(30_000)
  t.same(seen, [1])
  const next = platform.last.welcome(held)
  turn(next, 2)
  next.records(ANY, 3)
  await pass(1000)
  t.same(seen, [1, 3])
  t.equal(acked(next).at(-1), 3)
})

t.test('another handler in line asks for a higher QoS, and the turn is for both', async (t) => {
  const { socket, seen, pass, client, errors } = await start({ welcome: held })
  const second: unknown[] = []
  const ready = outcomeOf(client.inbox.any.subscribe(({ data }) => { second.push(data) }, { qos: 2 }).ready)
  await pass()
  const [{ id, qos } = { id: 0, qos: 0 }] = socket.of('subscribe')
  t.equal(qos, 2)
  t.notOk('value' in ready)
  socket.say({ type: 'error', id, channel: ANY, code: 'PUSH_HELD', text: 'another one reads' })
  await pass()
  t.ok('value' in ready)
  turn(socket, 0, 2)
  socket.records(ANY, 1)
  await pass(1000)
  t.same([seen, second, errors], [[1], [1], []])
})

t.test('at QoS 2 closing waits for the confirmation of what was handled in its turn, and for nothing in line', async (t) => {
  const { socket, pass, client } = await start({ qos: 2 })
  socket.records(ANY, 1)
  await pass(1000)
  lose(socket)
  const closed = outcomeOf(client.close())
  await pass(10)
  t.equal(socket.state, 'closing')
  socket.drop(1000)
  await pass(1000)
  t.ok('value' in closed)
})

t.test('its position is not stored', async (t) => {
  const store = memoryStore()
  const { socket, pass, client } = await start({ store })
  client.inbox.subscribe(() => {})
  socket.records(ANY, 1)
  await pass(1000)
  client.close()
  await pass(10_000)
  t.notOk([...store.values.values()].some((value) => value.includes(ANY)))
  t.equal(store.values.size, 1)
})

t.test('whoever leaves the line says so, and a turn that comes too late is nobody\'s', async (t) => {
  const { socket, pass, unsubscribe, seen } = await start({ welcome: held })
  unsubscribe()
  await pass()
  t.match(socket.of('unsubscribe'), [{ channel: ANY }])
  turn(socket, 0)
  socket.records(ANY, 1)
  await pass(1000)
  t.same([seen, acked(socket)], [[], []])
})
