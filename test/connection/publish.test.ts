import t from 'tap'
import { PushError } from '../../lib/core/errors.js'
import type { Code } from '../../lib/protocol/codes.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { FakePeer, NodeOptions } from '../helpers/node.js'
import { openNode, overStorage, settled } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'

const room = 'room/1'
const publisher = secret()
const message = (sequence: number, more: object = {}) => ({ type: 'publish', channel: room, qos: 1, sequence, data: sequence, ...more })
const first = (sequence: number, more: object = {}) => message(sequence, { publisher, ...more })
const answers = (peer: FakePeer) => peer.socket.frames.filter(({ type }) => type === 'published' || type === 'refused')

/** A node whose appends can be made to fail, or to wait. */
async function openFaulty (options: NodeOptions = {}) {
  const clock = new ManualClock()
  const faults: { code: Code | null, happens: boolean, held: (() => void)[] | null, appends: number[] } = { code: null, happens: false, held: null, appends: [] }
  const storage = overStorage(memoryStorage({ clock }), {
    log: (original) => ({
      async append (channel, drafts, retention) {
        faults.appends.push(drafts.length)
        const { code, happens, held } = faults
        if (held !== null) await new Promise<void>((resolve) => { held.push(resolve) })
        if (code === null) return original.append(channel, drafts, retention)
        if (happens) await original.append(channel, drafts, retention)
        throw new PushError(code)
      }
    })
  })
  return { ...await openNode({ ...options, clock, storage }), faults }
}

t.test('[P-5.1] QoS 0 has no answer, and reaches who listens', async (t) => {
  const { own, broker } = await openNode()
  const reader = await own({ subscriptions: [{ channel: 'quiet/1', qos: 0 }, { channel: room, qos: 0 }] })
  const sender = await own({ clientId: 'bob' }, { userId: 'b', claims: 'never shown' })
  const before = sender.socket.frames.length
  await sender.send({ type: 'publish', channel: 'quiet/1', qos: 0, data: { typing: true } }, { type: 'publish', channel: room, qos: 0, data: 2 })
  t.equal(sender.socket.frames.length, before)
  const [quiet, stored] = reader.all('messages')
  t.match(quiet, { channel: 'quiet/1', messages: [{ qos: 0, data: { typing: true }, publisher: { clientId: 'bob', userId: 'b' } }] })
  t.notOk(quiet && 'from' in quiet)
  t.match(stored, { channel: room, from: 1 })
  t.notMatch(JSON.stringify(reader.socket.frames), 'never shown')
  await sender.send({ type: 'publish', channel: 'news', qos: 0, data: 1 }, { type: 'publish', channel: 'nowhere', qos: 0, data: 1 })
  t.equal(broker.stats().refused, 2)
  t.equal(sender.socket.frames.length, before)
  t.equal(sender.connection.publishing, 0)
})

t.test('[P-5.3] QoS 0 with an id: a repeat is dropped, a conflict counted', async (t) => {
  const { own, broker } = await openNode()
  const sender = await own()
  const volatile = (data: unknown) => ({ type: 'publish', channel: room, qos: 0, id: 'mine', data })
  await sender.send(volatile(1))
  await sender.send(volatile(1), volatile(2))
  t.equal((await broker.history(room)).messages.length, 1)
  t.match(broker.stats(), { stored: 1, duplicates: 1, refused: 1 })
})

t.test('[P-5.4] a run of messages is one append and one answer', async (t) => {
  const { own, faults, broker } = await openFaulty()
  const sender = await own()
  await sender.send(first(1), message(2), message(3), message(7))
  const { epoch } = (await broker.history(room)).head
  t.same(answers(sender), [
    { type: 'published', channel: room, sequence: 1, count: 1, epoch, offset: 1 },
    { type: 'published', channel: room, sequence: 2, count: 2, epoch, offset: 2 },
    { type: 'published', channel: room, sequence: 7, count: 1, epoch, offset: 4 }
  ])
  t.same(faults.appends, [1, 3])
})

t.test('[P-5.6] a resend on a later connection is recognised, before permission is asked', async (t) => {
  let allowed = true
  const { own, broker } = await openNode({ authorize: ({ action }) => action !== 'publish' || allowed })
  const session = secret()
  const earlier = await own({ session })
  await earlier.send(first(1), message(2))
  await earlier.cut()
  allowed = false
  const later = await own({ session })
  await later.send(first(1), message(2), message(3), message(4))
  t.match(answers(later), [
    { type: 'published', sequence: 1, duplicate: true, offset: undefined },
    { type: 'published', sequence: 2, duplicate: true, offset: 2 },
    { type: 'refused', sequence: 3, code: 'PUSH_FORBIDDEN' }
  ])
  allowed = true
  await later.send(first(4))
  t.match(answers(later).at(-1), { type: 'published', sequence: 4, offset: 3 })
  t.same((await broker.history(room)).messages.map(({ data }) => data), [1, 2, 4])
  const other = await own()
  await other.send(first(1))
  t.match(answers(other), [{ type: 'published', sequence: 1, offset: 4 }], 'the same publisher id of another session is another publisher')
})

t.test('[P-5.5] after a refusal everything is discarded until the run is started anew', async (t) => {
  const { own, broker, faults } = await openFaulty()
  const sender = await own()
  faults.code = 'PUSH_STORAGE_UNAVAILABLE'
  await sender.send(first(1), message(2), message(3))
  t.match(answers(sender), [{ type: 'refused', sequence: 1, code: 'PUSH_STORAGE_UNAVAILABLE' }])
  faults.code = null
  await sender.send(message(4), message(5))
  t.equal(answers(sender).length, 1)
  await sender.send(first(1), message(2), message(3))
  t.same((await broker.history(room)).messages.map(({ data }) => data), [1, 2, 3])
  t.equal(sender.connection.publishing, 0, 'the discarded ones are not in flight')
  await sender.send({ ...message(9), channel: 'room/2', publisher })
  t.match(answers(sender).at(-1), { type: 'published', channel: 'room/2' }, 'another channel was never concerned')
})

t.test('[P-5.5] one that is wrong waits for those before it; if they are refused, it is discarded', async (t) => {
  const { own, faults } = await openFaulty()
  const sender = await own()
  await sender.send(first(1))
  await sender.send(message(2), message(3, { sequence: undefined }), message(4))
  t.match(answers(sender).slice(1), [{ type: 'published', sequence: 2 }, { type: 'refused', code: 'PUSH_INVALID' }])
  await sender.send(first(5))
  faults.code = 'PUSH_STORAGE_UNAVAILABLE'
  await sender.send(message(6), message(7, { sequence: undefined }), message(8))
  t.match(answers(sender).slice(-1), [{ type: 'refused', sequence: 6, code: 'PUSH_STORAGE_UNAVAILABLE' }])
  t.equal(answers(sender).length, 5)
})

t.test('[P-5.5] an unknown outcome: the resend on the same connection is recognised', async (t) => {
  const { own, broker, faults } = await openFaulty()
  const sender = await own()
  await sender.send(first(1))
  faults.code = 'PUSH_STORAGE_UNKNOWN'
  faults.happens = true
  await sender.send(message(2))
  t.match(answers(sender).at(-1), { type: 'refused', sequence: 2, code: 'PUSH_STORAGE_UNKNOWN' })
  faults.code = null
  await sender.send(first(2), message(3))
  t.match(answers(sender).slice(-2), [{ type: 'published', sequence: 2, duplicate: true }, { type: 'published', sequence: 3 }])
  t.same((await broker.history(room)).messages.map(({ data }) => data), [1, 2, 3])
})

t.test('what cannot be published is refused in its turn', async (t) => {
  const { own, broker } = await openNode()
  const sender = await own()
  await sender.send(message(1))
  t.match(answers(sender).at(-1), { type: 'refused', sequence: 1, code: 'PUSH_BUSY' }, 'a run that was never started')
  await sender.send({ type: 'publish', channel: room, qos: 1, publisher, data: 1 })
  t.match(answers(sender).at(-1), { type: 'refused', sequence: 1, code: 'PUSH_INVALID' }, 'no sequence')
  await sender.send(first(2), message(3), { ...first(1), channel: 'news' }, { ...first(1), channel: 'nowhere' }, { ...first(1), channel: 'a b' })
  t.same(new Map(sender.all('refused').slice(2).map(({ channel, code }) => [channel, code])), new Map([
    ['news', 'PUSH_FORBIDDEN'], ['nowhere', 'PUSH_CHANNEL_UNKNOWN'], ['a b', 'PUSH_CHANNEL_INVALID']
  ]))
  t.match(broker.stats(), { stored: 2, refused: 5 })
})

t.test('[P-5.3] an id of the application: a repeat, a conflict, and what came with it', async (t) => {
  const { own, broker, clock } = await openNode({ limits: { silence: '1h' } })
  const sender = await own()
  await sender.send(first(1, { id: 'order', data: 'a' }))
  await sender.send(message(2, { id: 'order', data: 'a' }))
  t.match(answers(sender).at(-1), { type: 'published', sequence: 2, duplicate: true, offset: 1 })
  await sender.send(message(3, { data: 'before' }), message(4, { id: 'order', data: 'b' }), message(5))
  t.match(answers(sender).slice(-2), [{ type: 'published', sequence: 3, offset: 2 }, { type: 'refused', sequence: 4, code: 'PUSH_ID_CONFLICT' }])
  t.equal(broker.stats().refused, 1)
  await sender.send(first(6, { id: 'twice', data: 1 }), message(7, { id: 'twice', data: 2 }), message(8))
  t.match(answers(sender).slice(-2), [{ type: 'published', sequence: 6 }, { type: 'refused', sequence: 7, code: 'PUSH_ID_CONFLICT' }], 'in one run')
  await clock.advanceAsync(301_000)
  await sender.send(first(9, { id: 'order', data: 'c' }))
  t.match(answers(sender).at(-1), { type: 'published', sequence: 9 }, 'the window is over')
  await sender.send(message(10, { ttl: 1000 }))
  await clock.advanceAsync(1001)
  t.notOk((await broker.history(room)).messages.some(({ data }) => data === 10))
})

t.test('[P-5.5] a conflict within one append: what comes after it is not stored, and when it is sent again it is no repeat', async (t) => {
  const { own, broker, faults } = await openFaulty()
  const sender = await own()
  faults.held = []
  await sender.send(first(1))
  await sender.send(message(2, { id: 'both' }), message(3, { id: 'both' }), message(4)) // they wait together
  const release = faults.held.splice(0)
  faults.held = null
  for (const go of release) go()
  await settled()
  t.equal(faults.appends.at(-1), 3)
  t.match(answers(sender), [{ type: 'published', sequence: 1 }, { type: 'published', sequence: 2 }, { type: 'refused', sequence: 3, code: 'PUSH_ID_CONFLICT' }])
  await sender.send(first(3, { id: 'both' }))
  t.match(answers(sender).at(-1), { type: 'refused', sequence: 3, code: 'PUSH_ID_CONFLICT' })
  t.same((await broker.history(room)).messages.map(({ data }) => data), [1, 2])
})

t.test('[P-5.5] answers keep the order, whatever is refused in between', async (t) => {
  const { own, faults } = await openFaulty({ channels: { 'room/:id': { clientPublish: true, authorize: ({ channel }) => channel === room } } })
  const sender = await own()
  await sender.send(first(1))
  faults.held = []
  await sender.send(message(2))
  await sender.send(message(3), message(4, { id: 'x' }), message(5))
  t.equal(answers(sender).length, 1)
  faults.held.splice(0).forEach((proceed) => proceed())
  faults.held = null
  await settled()
  t.same(answers(sender).map((frame) => 'sequence' in frame && frame.sequence), [1, 2, 3])
  t.match(answers(sender).at(-1), { count: 3 })
})

t.test('[P-5.8] too many publishes in flight end the connection; answered ones are not in flight', async (t) => {
  const { own, faults } = await openFaulty({ limits: { publishesInFlight: 4 } })
  const sender = await own()
  for (let sequence = 1; sequence <= 20; sequence++) await sender.send(first(sequence))
  t.equal(sender.socket.ending, null)
  faults.held = []
  await sender.send(first(21), message(22), message(23), message(24))
  t.equal(sender.socket.ending, null)
  await sender.send(message(25))
  t.same(sender.socket.ending, { code: 4429, reason: 'PUSH_TOO_MANY' })
  faults.held.splice(0).forEach((proceed) => proceed())
  await settled()
})

t.test('the runs are bounded: an idle one is forgotten, and asked to start anew', async (t) => {
  const { own } = await openNode({ limits: { subscriptions: 2 } })
  const sender = await own()
  const to = (id: number, sequence: number, more: object = {}) => ({ ...message(sequence, more), channel: `room/${id}` })
  for (const id of [1, 2, 3]) await sender.send(to(id, 1, { publisher }))
  t.equal(sender.connection.runs.size, 2)
  await sender.send(to(1, 2))
  t.match(answers(sender).at(-1), { type: 'refused', channel: 'room/1', sequence: 2, code: 'PUSH_BUSY' })
  await sender.send(to(1, 2, { publisher }))
  t.match(answers(sender).at(-1), { type: 'published', channel: 'room/1', sequence: 2 })
})

t.test('a publisher of a named client is recognised hours later', async (t) => {
  const { own, clock } = await openNode()
  const hello = { clientId: 'phone' }
  const earlier = await own(hello)
  await earlier.send(first(1))
  await earlier.cut()
  await clock.advanceAsync(2 * 3_600_000)
  const later = await own(hello)
  await later.send(first(1))
  t.match(answers(later), [{ type: 'published', duplicate: true }])
})

t.test('a bug below ends the connection and not the process', async (t) => {
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), { log: () => ({ append: async () => [] }) })
  const { own } = await openNode({ storage, clock })
  const sender = await own()
  await sender.send(first(1))
  t.equal(answers(sender).length + (sender.socket.ending === null ? 0 : 1), 1)
})

t.test('nothing gets in after the end of the connection, whatever its hooks still think about', async (t) => {
  const hook = (clock: ManualClock) => () => new Promise<true>((resolve) => { clock.after(1000, () => resolve(true)) })
  const ways: Record<string, (clock: ManualClock) => NodeOptions> = {
    authorize: (clock) => ({ authorize: hook(clock) }),
    onPublish: (clock) => ({ channels: { 'room/:id': { history: true, clientPublish: true, onPublish: hook(clock) } } })
  }
  for (const [name, options] of Object.entries(ways)) {
    const clock = new ManualClock()
    const { own, control, broker } = await openNode({ clock, ...options(clock) })
    const peer = await own({}, { userId: 'alice' })
    await peer.send(first(1), message(2), message(3), { type: 'publish', channel: room, qos: 0, data: 'q0' })
    await clock.advanceAsync(500)
    await control.clients({ userId: 'alice' }).disconnect({ code: 'PUSH_FORBIDDEN' })
    for (let second = 0; second < 10; second++) await clock.advanceAsync(1000)
    await settled()
    t.same((await broker.history(room)).messages, [], name)
  }
})

t.test('the same of a repeat that is being recognised', async (t) => {
  const clock = new ManualClock()
  let recognised = (): void => {}
  const storage = overStorage(memoryStorage({ clock }), {
    log: (original) => ({ recognise: async (...args) => { await new Promise<void>((resolve) => { recognised = resolve }); return original.recognise(...args) } })
  })
  const { own, broker } = await openNode({ clock, storage })
  for (const frame of [first(1), { type: 'publish', channel: room, qos: 0, id: 'mine', data: 'q0' }]) {
    const peer = await own({}, { userId: 'alice' })
    await peer.send(frame)
    peer.connection.end('PUSH_FORBIDDEN')
    recognised()
    await settled()
  }
  t.same((await broker.history(room)).messages, [])
})
