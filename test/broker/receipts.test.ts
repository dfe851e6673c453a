import t from 'tap'
import { clientOf, sessionKeyOf } from '../../lib/broker/session-key.js'
import { openNode, settled } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'

const room = 'room/1'

t.test('who acknowledged a message, and who came back later', async (t) => {
  const { own, broker } = await openNode()
  const to = (qos: number) => ({ subscriptions: [{ channel: room, qos }] })
  const alice = await own({ clientId: 'phone', ...to(1) }, { userId: 'alice' })
  const nobody = await own(to(2))
  await own(to(0))
  const away = { clientId: 'tablet', ...to(1) }
  await (await own(away, { userId: 'alice' })).cut()
  const { position, receipt } = await broker.publish(room, 'hi', { receipt: true })
  await settled()
  t.match(await receipt?.(), { acknowledged: [], next: null })
  t.same((await receipt?.())?.pending.map(({ clientId }) => clientId).sort(), [nobody.last('welcome')?.clientId ?? '', 'phone'].sort(), 'not who is away, and not at QoS 0')
  const ack = { type: 'ack', positions: [{ channel: room, ...position }] }
  await alice.send(ack)
  await nobody.send(ack)
  await settled()
  const name = nobody.last('welcome')?.clientId
  t.same((await receipt?.())?.pending, [])
  t.same((await receipt?.())?.acknowledged, [{ clientId: name }, { clientId: 'phone', userId: 'alice' }])
  await (await own(away, { userId: 'alice' })).send(ack)
  await settled()
  t.equal((await broker.receipt(room, position as object as { epoch: string, offset: number })).acknowledged.length, 3)
})

t.test('page by page', async (t) => {
  const { own, broker } = await openNode()
  const peers = await Promise.all(Array.from({ length: 7 }, (_, i) => own({ clientId: `c${i}`, subscriptions: [{ channel: room, qos: 1 }] })))
  const { position } = await broker.publish(room, 1)
  await settled()
  const waiting = async (options: object) => (await broker.receipt(room, position ?? { epoch: '', offset: 0 }, options)).pending.map(({ clientId }) => clientId)
  t.same([await waiting({ limit: 3 }), await waiting({ limit: 3, after: '/c/c0' })], [['c0', 'c1', 'c2'], []], 'who has yet to is in the first page')
  for (const peer of peers) await peer.send({ type: 'ack', positions: [{ channel: room, ...position }] })
  await settled()
  const found: string[] = []
  let after: string | undefined
  for (let page = 0; page < 9; page++) {
    const { acknowledged, next } = await broker.receipt(room, position ?? { epoch: '', offset: 0 }, { limit: 3, ...(after === undefined ? {} : { after }) })
    found.push(...acknowledged.map(({ clientId }) => clientId))
    if (next === null) break
    after = next
  }
  t.same(found, peers.map((_, i) => `c${i}`))
})

t.test('of an inbox the user\'s own cursor is nobody', async (t) => {
  const { own, broker } = await openNode()
  const phone = await own({ clientId: 'phone', subscriptions: [{ channel: '$inbox', qos: 1 }] }, { userId: 'alice' })
  const { position, receipt } = await broker.send('alice', 1, { receipt: true })
  await settled()
  await phone.send({ type: 'ack', positions: [{ channel: '$inbox', ...position }] })
  await settled()
  t.same(await receipt?.(), { acknowledged: [{ clientId: 'phone', userId: 'alice' }], pending: [], next: null })
  t.same(await broker.receipt({ userId: 'alice' }, position ?? { epoch: '', offset: 0 }), await receipt?.())
})

t.test('what has no receipt', async (t) => {
  const { broker } = await openNode()
  const { receipt, position } = await broker.publish('quiet/1', 0, { qos: 0, receipt: true })
  t.equal(position, null)
  await t.rejects(async () => { await receipt?.() }, { code: 'PUSH_INVALID' })
  const somewhere = { epoch: 'e', offset: 1 }
  await t.rejects(broker.receipt('nowhere', somewhere), { code: 'PUSH_CHANNEL_UNKNOWN' })
  await t.rejects(broker.receipt({ userId: '' }, somewhere), { code: 'PUSH_INVALID' })
  await t.rejects(broker.receipt(room, somewhere, { limit: 0 }), { code: 'PUSH_INVALID' })
  await t.rejects(broker.receipt(room, somewhere, { after: 7 as unknown as string }), { code: 'PUSH_INVALID' })
  t.same(await broker.receipt(room, somewhere), { acknowledged: [], pending: [], next: null })
  t.equal((await broker.publish(room, 0)).receipt, undefined)
  await t.rejects(broker.publish(room, 0, { receipt: true, wait: 'accepted' }), { code: 'PUSH_INVALID' })
  t.equal((await broker.history(room)).messages.length, 1, 'and is not stored')
})

t.test('the key of a session tells its client and not its secret', async (t) => {
  const session = secret()
  const key = sessionKeyOf(undefined, { session })
  t.notMatch(key, session)
  t.not(sessionKeyOf('alice', { session }), key)
  t.match(clientOf(key), { clientId: /^[\w-]{12}$/, userId: undefined })
  t.same(clientOf(sessionKeyOf('a/b ü', { session, clientId: 'c.1' })), { clientId: 'c.1', userId: 'a/b ü' })
})
