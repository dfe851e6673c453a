import t from 'tap'
import Type from 'typebox'
import { openNode, settled } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'
import type { PublishEvent } from '../../types/hooks.js'

const room = 'room/1'
const schema = Type.Object({ text: Type.String() })
const channels = { 'room/:id': { schema, history: true, clientPublish: true } }

t.test('at the server’s door', async (t) => {
  const { broker } = await openNode({ channels })
  await broker.publish(room, { text: 'hi' })
  for (const wait of ['accepted', 'stored', 'delivered'] as const) {
    await t.rejects(broker.publish(room, { text: 1 }, { wait, id: 'mine' }), { code: 'PUSH_INVALID', message: /^\/text must be string/, id: 'mine' })
  }
  await t.rejects(broker.publish(room, undefined), { code: 'PUSH_INVALID' })
  await t.rejects(broker.publish(room, undefined, { qos: 0 }), { code: 'PUSH_INVALID' })
  t.equal((await broker.history(room)).messages.length, 1)
})

t.test('at the clients’ door: what is wrong is refused and the others go on', async (t) => {
  const { own, broker } = await openNode({ channels })
  const peer = await own()
  const publisher = secret()
  const publish = (sequence: number, data: unknown, more: object = {}) => ({ type: 'publish', channel: room, qos: 1, sequence, data, ...more })
  await peer.send(publish(1, { text: 'one' }, { publisher }), publish(2, { txt: 'two' }))
  t.match(peer.last('refused'), { sequence: 2, code: 'PUSH_INVALID', text: /required properties text/ })
  await peer.send(publish(3, { text: 'three' }, { publisher }), { type: 'publish', channel: room, qos: 0, data: 4 })
  t.same((await broker.history(room)).messages.map(({ data }) => data), [{ text: 'one' }, { text: 'three' }])
  t.equal(broker.stats().refused, 2)
})

t.test('after authorize, and before hooks', async (t) => {
  const asked: unknown[] = []
  const { own } = await openNode({ channels: { 'room/:id': { ...channels['room/:id'], authorize: ({ action }) => action !== 'publish', onPublish: () => { asked.push(1) } } } })
  const peer = await own()
  await peer.send({ type: 'publish', channel: room, qos: 1, sequence: 1, publisher: secret(), data: 'wrong' })
  t.match(peer.last('refused'), { code: 'PUSH_FORBIDDEN' })
  const { own: another } = await openNode({ channels: { 'room/:id': { ...channels['room/:id'], onPublish: () => { asked.push(1) } } } })
  const other = await another()
  await other.send({ type: 'publish', channel: room, qos: 1, sequence: 1, publisher: secret(), data: 'wrong' })
  t.match(other.last('refused'), { code: 'PUSH_INVALID' })
  t.same(asked, [])
})

t.test('what a hook makes of the data is validated again, and is no fault of the publisher’s', async (t) => {
  const { broker, own, errors } = await openNode({
    channels: { 'room/:id': { ...channels['room/:id'], onPublish: ({ data }: PublishEvent) => (data as { text: string }).text === 'spoil' ? 'spoilt' : { text: 'made' } } }
  })
  await broker.publish(room, { text: 'hi' })
  await t.rejects(broker.publish(room, { text: 'spoil' }), { code: 'PUSH_INTERNAL', cause: { message: /object/ } })
  const peer = await own()
  await peer.send({ type: 'publish', channel: room, qos: 1, sequence: 1, publisher: secret(), data: { text: 'spoil' } })
  t.match(peer.last('refused'), { code: 'PUSH_INTERNAL', text: undefined })
  t.match(errors, [{ message: /object/ }, { message: /object/ }], 'it is told the host')
  const { broker: other, errors: none } = await openNode({ channels: { 'room/:id': { onPublish: ({ data }: PublishEvent) => data === 'big' ? 1n : undefined } } })
  await t.rejects(other.publish(room, 'big'), { code: 'PUSH_INTERNAL' })
  await t.rejects(other.publish(room, 1n), { code: 'PUSH_INVALID' }, 'this came in')
  t.equal(none.length, 1)
  t.same((await broker.history(room)).messages.map(({ data }) => data), [{ text: 'made' }])
})

t.test('a repeat is a repeat, whatever its schema says by now', async (t) => {
  const { broker, storage, clock } = await openNode({ channels: { 'room/:id': { history: true } } })
  const first = await broker.publish(room, 'old', { id: 'x' })
  await settled()
  const shared = { ...storage, open: async () => {}, close: async () => {} }
  const { broker: next } = await openNode({ channels, clock, storage: shared })
  t.same(await next.publish(room, 'old', { id: 'x' }), { ...first, duplicate: true })
  await t.rejects(next.publish(room, 'other', { id: 'x' }), { code: 'PUSH_ID_CONFLICT' })
  await t.rejects(next.publish(room, 'new', { id: 'y' }), { code: 'PUSH_INVALID' })
})

t.test('no schema at declaration', async (t) => {
  const { broker } = await openNode()
  t.throws(() => broker.declare('wrong', { schema: { type: 'objekt' } }), { code: 'PUSH_OPTIONS' })
  t.throws(() => broker.declare('wrong', { onPublish: 1 as unknown as () => void }), { code: 'PUSH_OPTIONS', message: /onPublish/ })
  t.throws(() => broker.declare('wrong', { onSubscribe: {} as () => void }), { code: 'PUSH_OPTIONS', message: /onSubscribe/ })
  broker.declare('wrong', { schema })
  t.pass('nothing was declared by what was refused')
})
