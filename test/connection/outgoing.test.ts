import t from 'tap'
import { openNode, settled } from '../helpers/node.js'

const channels = { 'room/:id': { history: true, clientPublish: true } }
const publish = (channel: string, sequence: number, data: unknown = sequence) =>
  ({ type: 'publish', channel, qos: 1, sequence, publisher: 'pppppppppppppppp', data })

t.test('one write a tick, however many channels and answers', async (t) => {
  const { own, broker } = await openNode({ channels })
  const peer = await own({ subscriptions: ['room/1', 'room/2', 'room/3'].map((channel) => ({ channel, qos: 1 })) })
  let writes = 0
  const { socket } = peer
  const { writeAll } = socket
  socket.writeAll = (all) => { writes++; return writeAll.call(socket, all) }
  for (const channel of ['room/1', 'room/2', 'room/3']) broker.publish(channel, channel).catch(t.error)
  await peer.send({ type: 'ping' })
  t.equal(writes, 1)
  t.same(peer.data, ['room/1', 'room/2', 'room/3'])
  t.equal(peer.all('pong').length, 2, 'with the one for the first ping')
})

t.test('much that is gathered is written before the end of the tick', async (t) => {
  const { own } = await openNode({ channels })
  const peer = await own()
  const before = peer.socket.writes.length
  for (let i = 0; i < 10_000; i++) peer.connection.send({ type: 'pong' })
  t.ok(peer.socket.writes.length > before)
  await settled()
  t.equal(peer.all('pong').length, 10_001)
})

t.test('what was gathered goes out before a goodbye', async (t) => {
  const { own } = await openNode({ channels })
  const peer = await own({ subscriptions: [{ channel: 'room/1', qos: 1 }] })
  peer.connection.receive(JSON.stringify({ type: 'ping' }))
  peer.connection.receive('nonsense')
  t.same(peer.socket.frames.slice(-2).map(({ type }) => type), ['pong', 'goodbye'])
  t.match(peer.socket.ending, { code: 4400 })
  peer.connection.send({ type: 'pong' })
  await settled()
  t.equal(peer.socket.frames.at(-1)?.type, 'goodbye', 'and nothing after it')
})

t.test('a peer that asks and never reads is dropped', async (t) => {
  const { own, broker, service } = await openNode({ channels, limits: { bufferedBytes: 100 } })
  const peer = await own()
  peer.socket.full = true
  peer.socket.onWrite = () => { peer.socket.buffered = peer.socket.writes.reduce((sum, { byteLength }) => sum + byteLength, 0) }
  for (let i = 0; i < 200 && peer.socket.ending === null; i++) await peer.send({ type: 'ping' })
  t.equal(peer.socket.ending, 'terminated')
  t.same([service.size, service.buffers.total, broker.stats().slowReaders], [0, 0, 1])
})

t.test('whoever reads is not dropped for what is larger than all that may wait: a record, a page, many pages asked for at once', async (t) => {
  const { own, broker } = await openNode({ channels, limits: { bufferedBytes: 1000 } })
  const hungry = async (): Promise<Awaited<ReturnType<typeof own>>> => {
    const peer = await own()
    peer.socket.onWrite = () => {
      peer.socket.buffered += peer.socket.writes.at(-1)?.byteLength ?? 0
      peer.socket.full = peer.socket.buffered >= 1000
    }
    return peer
  }
  const drain = async (peer: Awaited<ReturnType<typeof own>>): Promise<void> => {
    peer.socket.buffered = 0
    await peer.drain()
  }
  const large = 'x'.repeat(40_000)
  const page = Array.from({ length: 6 }, (_, i) => [`${i} ${large}`, 'brief']).flat()
  for (const data of page) await broker.publish('room/1', data, { qos: data === 'brief' ? 0 : 1 })

  const live = await hungry()
  await live.send({ type: 'subscribe', id: 1, channel: 'room/2', qos: 1 })
  await broker.publish('room/2', large)
  await settled()
  t.same([live.data, live.socket.ending], [[large], null])

  const behind = await hungry()
  await behind.send({ type: 'subscribe', id: 1, channel: 'room/1', qos: 1, rewind: 12 })
  await behind.send({ type: 'unsubscribe', id: 2, channel: 'room/1' })
  await drain(behind)
  await behind.send({ type: 'subscribe', id: 3, channel: 'room/1', qos: 1, position: { epoch: (await broker.history('room/1')).head.epoch, offset: 0 } })
  for (let i = 0; i < 12; i++) await drain(behind)
  t.equal(behind.socket.ending, null)
  t.strictSame(new Set(behind.data), new Set(page))

  const asking = await hungry()
  for (let i = 3; i < 9; i++) for (const data of page) await broker.publish(`room/${i}`, data)
  await asking.send(...Array.from({ length: 9 }, (_, id) => ({ type: 'history', id, channel: id < 3 ? 'room/1' : `room/${id}` })))
  t.equal(asking.all('history').length, 1, 'no second one before it has room')
  for (let i = 0; i < 12; i++) await drain(asking)
  t.equal(asking.socket.ending, null)
  t.same(asking.all('history').map(({ id, messages }) => [id, messages.length]).sort(), Array.from({ length: 9 }, (_, id) => [id, 12]))
})

t.test('a connection that takes nothing for `stalled` is dropped; one that takes a little is not', async (t) => {
  const { own, broker, clock, service } = await openNode({ channels, heartbeat: { interval: 1000 }, limits: { stalled: 2000, bufferedBytes: 100 } })
  const [stalled, trickling] = await Promise.all([own(), own()])
  for (const { socket } of [stalled, trickling]) {
    socket.full = true
    socket.buffered = 1000
    socket.onWrite = () => { socket.buffered += socket.writes.at(-1)?.byteLength ?? 0 }
  }
  await Promise.all([stalled.send({ type: 'ping' }), trickling.send({ type: 'ping' })])
  t.same([stalled.socket.ending, trickling.socket.ending], [null, null])
  for (let i = 0; i < 10; i++) {
    trickling.socket.buffered--
    for (const peer of [stalled, trickling]) await peer.send({ type: 'pong' })
    await clock.advanceAsync(500)
  }
  t.equal(stalled.socket.ending, 'terminated')
  t.equal(trickling.socket.ending, null)
  t.same([service.size, broker.stats().slowReaders], [1, 1])
})

t.test('a connection that waits longer than `stalled` with room is well', async (t) => {
  const { own, clock } = await openNode({ channels, heartbeat: { interval: 1000 }, limits: { stalled: 2000 } })
  const peer = await own()
  for (let i = 0; i < 10; i++) {
    await peer.send({ type: 'pong' })
    await clock.advanceAsync(1000)
  }
  t.equal(peer.socket.ending, null)
})

t.test('beyond `bufferedBytesTotal` those with the most are dropped, and no more than need be', async (t) => {
  const { own, broker, service } = await openNode({ channels, limits: { bufferedBytesTotal: 1000, bufferedBytes: 400 } })
  const peers = await Promise.all([own(), own(), own(), own()])
  const fill = async (i: number, bytes: number) => {
    const peer = peers[i] as typeof peers[0]
    peer.socket.buffered = bytes
    await peer.send({ type: 'ping' })
  }
  await fill(0, 300)
  await fill(1, 500)
  t.equal(service.buffers.total, 800)
  await fill(2, 150)
  const [, second] = peers
  second.socket.buffered = 100 // has drained a good deal, and nobody was told
  await fill(3, 200)
  t.same(peers.map(({ socket }) => socket.ending), [null, null, null, null])
  t.equal(service.buffers.total, 750)
  await fill(3, 500)
  t.same(peers.map(({ socket }) => socket.ending), [null, null, null, 'terminated'])
  t.equal(service.buffers.total, 550)
  t.equal(broker.stats().slowReaders, 1)
  for (const { socket, connection } of peers.slice(0, 3)) {
    socket.buffered = 0
    connection.drained()
  }
  t.equal(service.buffers.total, 0)
})

t.test('relief makes room for a while: a tenth of the limit', async (t) => {
  const { own, service } = await openNode({ channels, limits: { bufferedBytesTotal: 1000, bufferedBytes: 400 } })
  const peers = await Promise.all(Array.from({ length: 17 }, () => own()))
  for (const peer of peers) {
    peer.socket.buffered = 60
    await peer.send({ type: 'ping' })
  }
  t.equal(peers.filter(({ socket }) => socket.ending !== null).length, 2, 'one would have been enough for the limit')
  t.equal(service.buffers.total, 900)
})

t.test('an acknowledged publish and the message itself leave together', async (t) => {
  const { own } = await openNode({ channels })
  const peer = await own({ subscriptions: [{ channel: 'room/1', qos: 1 }] })
  await peer.send(publish('room/1', 1))
  t.same(peer.socket.frames.slice(-2).map(({ type }) => type).sort(), ['messages', 'published'])
})
