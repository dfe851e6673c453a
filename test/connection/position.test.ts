import t from 'tap'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { openNode, settled, type NodeOptions } from '../helpers/node.js'

// Whether a client may begin where it says that it had been. [P-3.2]

const alice = { userId: 'alice' }
const channels = { 'room/:id': { history: true }, 'quiet/:id': {}, 'here/:id': { presence: true } }
const subscribersOnly: NodeOptions['authorize'] = ({ action }) => action === 'subscribe' || action === 'presence'

/** A node whose channels have three messages each. */
async function make (options: NodeOptions = {}) {
  const node = await openNode({ channels, ...options })
  for (const name of ['room/1', 'quiet/1']) {
    for (const n of [1, 2, 3]) await node.broker.publish(name, n)
  }
  const { position } = await node.broker.publish('room/1', 4)
  const epoch = position?.epoch as string
  return { ...node, epoch }
}

const subscribe = (channel: string, position: object, qos = 1) => ({ type: 'subscribe', id: 1, channel, qos, position })

t.test('a position that nothing vouches for needs the permission to read the past', async (t) => {
  const { own, epoch } = await make({ authorize: subscribersOnly })
  for (const channel of ['room/1', 'quiet/1']) {
    for (const position of [{ epoch: 'x', offset: 0 }, { epoch, offset: 0 }, { epoch, offset: 2 }]) {
      const peer = await own({}, alice)
      await peer.send(subscribe(channel, position))
      await settled()
      t.same(peer.data, [], `${channel} ${JSON.stringify(position)}`)
      const verdict = peer.last('subscribed')
      t.match(verdict, { verdict: 'lost', position: { offset: channel === 'room/1' ? 4 : 3 }, gap: { from: null, to: null, count: null } })
      const hello = await own({ subscriptions: [{ channel, qos: 1, position }] }, alice)
      t.same(hello.data, [], 'in the hello too')
    }
  }
  const peer = await own({}, alice)
  await peer.send(subscribe('room/1', { epoch, offset: 1 }))
  t.equal(peer.last('subscribed')?.gap?.reason, 'unverified')
  await peer.send(subscribe('quiet/1', { epoch: 'x', offset: 1 }))
  t.equal(peer.last('subscribed')?.gap?.reason, 'epoch', 'a log that was created anew')
})

t.test('who may read the history may begin there, and so may all where nobody is asked', async (t) => {
  for (const options of [{ authorize: () => true }, {}]) {
    const { own, epoch } = await make(options)
    const peer = await own({}, alice)
    await peer.send(subscribe('room/1', { epoch, offset: 2 }))
    await settled()
    t.same(peer.data, [3, 4])
  }
  const { own, broker } = await make()
  const { position } = await broker.publish('quiet/1', 'newest')
  const peer = await own({}, alice)
  await peer.send(subscribe('quiet/1', { epoch: position?.epoch, offset: 2 }))
  await settled()
  t.same(peer.data, [3, 'newest'])
})

t.test('the stored cursor vouches for a position, and for none before it', async (t) => {
  const clock = new ManualClock()
  const storage = memoryStorage({ clock })
  const { own, broker, epoch } = await make({ clock, storage, authorize: subscribersOnly })
  const first = await own({ clientId: 'phone', subscriptions: [{ channel: 'room/1', qos: 1 }] }, alice)
  await first.cut()
  for (const n of [5, 6]) await broker.publish('room/1', n)
  for (const offset of [0, 4, 5]) {
    const again = await own({ clientId: 'phone', subscriptions: [{ channel: 'room/1', qos: 1, position: { epoch, offset } }] }, alice)
    t.same(again.data, offset === 5 ? [6] : [5, 6], `a position of ${offset}`)
    t.match(again.last('welcome')?.subscriptions, [{ verdict: 'resumed' }])
    await again.cut()
  }
})

t.test('so does the subscription that it replaces', async (t) => {
  const { own, broker } = await make({ authorize: subscribersOnly })
  const peer = await own({ subscriptions: [{ channel: 'quiet/1', qos: 0 }] }, alice)
  const { position } = await broker.publish('quiet/1', 'sent', { qos: 1 })
  await settled()
  await peer.send(subscribe('quiet/1', { epoch: position?.epoch, offset: 3 }))
  await settled()
  t.same(peer.data, ['sent', 'sent'], 'the client drops what it has')
  t.equal(peer.last('subscribed')?.verdict, 'resumed')
  await peer.send(subscribe('quiet/1', { epoch: position?.epoch, offset: 1 }, 2))
  t.match(peer.last('subscribed'), { verdict: 'lost', position: { offset: 4 } }, 'it began later')
})

t.test('trouble is no answer', async (t) => {
  const { own, epoch } = await make({ authorize: ({ action }) => { if (action === 'history') throw new Error('database'); return true } })
  const peer = await own({}, alice)
  await peer.send(subscribe('room/1', { epoch, offset: 0 }))
  t.match(peer.last('error'), { id: 1, code: 'PUSH_UNAVAILABLE' })
  t.equal(peer.connection.subscriptions.size, 0)
})

t.test('neither is a presence log a history', async (t) => {
  const { own } = await make({ authorize: subscribersOnly })
  const bob = await own({ clientId: 'b' }, { userId: 'bob' })
  await bob.send({ type: 'enter', id: 1, channel: 'here/1' })
  const peer = await own({}, alice)
  await peer.send(subscribe('$presence/here/1', { epoch: 'x', offset: 0 }))
  await settled()
  t.same(peer.data, [])
  t.equal(peer.last('subscribed')?.verdict, 'lost')
})
