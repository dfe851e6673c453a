import t from 'tap'
import { SavedState } from '../../lib/client/saved-state.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { memoryStore, outcomeOf, setUp } from './helpers.js'

const KEY = 'fastify-push:@ws://test/push'
const SESSION = 'session-of-the-earlier-process'
const message = { channel: 'a', qos: 2, json: '"left"' }
const value = { version: 1, session: SESSION, cursors: { a: { epoch: 'e', offset: 3 } }, outbox: [message] }

function storeWith (text = JSON.stringify(value), isAsync = false) {
  const store = memoryStore(isAsync)
  store.values.set(KEY, text)
  return { store, held: () => store.values.get(KEY) as string }
}

/** A store of which the test settles each write. */
function slowStore (text: string | null = null) {
  const writes: Array<() => void> = []
  return {
    writes,
    getItem: () => text,
    setItem: () => new Promise<void>((resolve) => { writes.push(resolve) }),
    removeItem: () => {}
  }
}

t.test('a client that never connected leaves the store as it was, one that is closed while it loads too', async (t) => {
  for (const connect of [false, true]) {
    const { store, held } = storeWith(undefined, true)
    const before = held()
    const { client, pass, platform } = setUp({ store, connect: false })
    if (connect) client.connect()
    client.channel('a').subscribe(() => {})
    platform.notice('hiding')
    await client.close()
    await pass(10_000)
    t.equal(held(), before)
    t.equal(platform.sockets.length, 0)
    t.equal(platform.manual.pending, 0)
  }
})

t.test('what is published before the store was read is saved behind what the store has', async (t) => {
  for (const connect of [false, true]) {
    const { store, held } = storeWith(undefined, true)
    const { client, pass, platform } = setUp({ store, connect })
    const outcome = outcomeOf(client.channel('a').publish('new'))
    await pass(0)
    client.close({ timeout: 100 })
    await pass(2_000)
    t.equal(client.state, 'closed')
    t.equal(outcome.code, 'PUSH_UNKNOWN')
    t.match(JSON.parse(held()), { session: SESSION, cursors: value.cursors, outbox: [message, { json: '"new"' }] })
    t.equal(platform.sockets.length, connect ? 1 : 0)
  }
})

t.test('a store that does not answer keeps close within its bounds, and is not overwritten later', async (t) => {
  const { store, held } = storeWith()
  const before = held()
  let answer = () => {}
  store.getItem = () => new Promise((resolve) => { answer = () => resolve(before) })
  const { client, pass } = setUp({ store, connect: false })
  client.channel('a').publish('new')
  const closed = outcomeOf(client.close({ timeout: 100 }))
  await pass(100)
  t.ok('value' in closed)
  answer()
  await pass(10_000)
  t.equal(held(), before)
})

t.test('connecting twice while the store is read opens one connection', async (t) => {
  const { store, held } = storeWith(undefined, true)
  const { client, pass, platform } = setUp({ store, connect: false })
  client.connect()
  client.connect()
  client.reconnect()
  await pass()
  t.equal(platform.sockets.length, 1)
  t.equal(platform.last.hello.session, SESSION)
  await pass(250)
  t.match(JSON.parse(held()), value)
})

t.test('a value that is not whole is nothing, and told as an error; the client connects', async (t) => {
  const wrong = (fields: object) => JSON.stringify({ ...value, ...fields })
  const wrongMessage = (fields: object) => wrong({ outbox: [{ ...message, ...fields }] })
  const rubbish = [
    '{', 'null', '5', '{"version":2}', wrong({ session: 's' }), wrong({ session: 5 }), wrong({ cursors: null }), wrong({ cursors: { a: { epoch: 1 } } }),
    wrong({ cursors: { 'a//b': { epoch: 'e', offset: 1 } } }), wrong({ outbox: {} }), wrong({ outbox: [null] }), wrongMessage({ channel: '' }), wrongMessage({ qos: 0 }),
    wrongMessage({ json: '{' }), wrongMessage({ json: 5 }), wrongMessage({ id: '' }), wrongMessage({ expires: 'soon' }), wrongMessage({ publisher: SESSION }),
    wrongMessage({ sequence: 1 }), wrongMessage({ publisher: SESSION, sequence: 0 })
  ]
  for (const text of rubbish) {
    const { platform, errors, pass } = setUp({ store: storeWith(text).store })
    await pass()
    t.same(errors, ['PUSH_STORAGE_UNAVAILABLE'], text)
    t.equal(platform.last.hello.session, 'secret-000000000000001')
    platform.last.welcome()
    t.equal(platform.last.of('publish').length, 0)
  }
})

t.test('[P-5.6] a message that was left without its key is not sent before the key is saved', async (t) => {
  const store = slowStore(JSON.stringify(value))
  const { platform, pass } = setUp({ store })
  await pass()
  platform.last.welcome()
  await pass()
  t.equal(platform.last.of('publish').length, 0)
  t.equal(store.writes.length, 1)
  store.writes[0]?.()
  await pass()
  t.equal(platform.last.of('publish').length, 1)
})

t.test('there are never two writes at once, whenever one is asked for', async (t) => {
  for (let turns = 0; turns < 6; turns++) {
    const store = slowStore()
    const saved = new SavedState({ store, key: 'k', clock: new ManualClock(), secret: SESSION, outbox: () => [], onError: (error) => t.fail(String(error)) })
    t.equal(saved.save(), undefined)
    await saved.load(() => {})
    saved.save()
    const queued = saved.save()
    t.equal(saved.save(), queued)
    store.writes[0]?.()
    for (let i = 0; i < turns; i++) await null
    saved.save()
    t.ok(store.writes.length <= 2)
    await new Promise((resolve) => setImmediate(resolve))
    t.equal(store.writes.length, 2)
  }
})

t.test('where it stood among the comings and goings of members is not kept', async (t) => {
  const { store, held } = storeWith()
  const { client, platform, pass } = setUp({ store })
  client.channel('room/1').on('join', () => {})
  client.channel('room/1').subscribe(() => {})
  await pass()
  platform.last.welcome().records('$presence/room/1', 1)
  platform.last.records('room/1', 1)
  await pass(1000)
  t.same(Object.keys(JSON.parse(held()).cursors).sort(), ['a', 'room/1'])
})
