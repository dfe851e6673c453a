import t from 'tap'
import { Heartbeat } from '../../lib/connection/heartbeat.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { openNode, settled } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'

t.test('[P-2.5] a hello that does not come in time', async (t) => {
  const { connect, clock } = await openNode({ limits: { helloTimeout: '3s' } })
  const silent = connect()
  const asking = await connect(new Promise(() => {})).send({ type: 'hello', session: secret() })
  const welcomed = await connect().send({ type: 'hello', session: secret() })
  await clock.advanceAsync(2999)
  for (const peer of [silent, asking]) t.equal(peer.socket.ending, null)
  await clock.advanceAsync(1)
  for (const peer of [silent, asking]) t.same(peer.socket.ending, { code: 4408, reason: 'PUSH_TIMEOUT' })
  t.equal(welcomed.socket.ending, null)
})

t.test('[P-7.1] a ping after silence, none while anything else is sent', async (t) => {
  const { own, connect, clock, broker } = await openNode({ heartbeat: { interval: '10s' }, limits: { helloTimeout: '1m' } })
  const quiet = await own()
  const silent = connect()
  await clock.advanceAsync(10_000)
  t.ok(quiet.all('ping').length >= 1)
  t.same(silent.socket.frames, [], 'not before the welcome')
  const busy = await own({ subscriptions: [{ channel: 'news', qos: 0 }] })
  for (let i = 0; i < 20; i++) {
    await broker.publish('news', i)
    await clock.advanceAsync(4000)
  }
  t.equal(busy.all('ping').length, 0)
  t.equal(busy.data.length, 20)
  await clock.advanceAsync(10_000)
  t.equal(busy.all('ping').length, 1)
})

t.test('[P-7.2] a client may ping', async (t) => {
  const { own } = await openNode()
  const peer = await own()
  const before = peer.all('pong').length
  await peer.send({ type: 'ping' })
  t.equal(peer.all('pong').length, before + 1)
})

t.test('[P-7.3] silence ends a connection, any frame keeps it', async (t) => {
  const { own, service, clock } = await openNode({ heartbeat: { interval: '10s' }, limits: { silence: '60s' } })
  const silent = await own()
  const alive = await own()
  for (let i = 0; i < 9; i++) {
    await clock.advanceAsync(10_000)
    await alive.send({ type: 'pong' })
    if (i === 4) t.equal(silent.socket.ending, null)
  }
  t.equal(silent.socket.ending, 'terminated')
  t.equal(alive.socket.ending, null)
  t.equal(service.size, 1)
})

t.test('a blocked event loop kills nobody', async (t) => {
  // Timers that come late, as those of a blocked process do: none runs until it is free again, and then each once.
  class BlockingClock extends ManualClock {
    block (ms: number): void {
      const due: (() => void)[] = []
      const after = this.after
      this.after = (_ms, callback) => { due.push(callback); return () => {} }
      this.advance(ms)
      this.after = after
      for (const callback of due) this.after(0, callback)
    }
  }
  const clock = new BlockingClock()
  const { own } = await openNode({ clock, heartbeat: { interval: '1s' }, limits: { silence: '3s' } })
  const peers = await Promise.all([own(), own(), own()])
  clock.block(3000)
  await clock.advanceAsync(100)
  for (const peer of peers) t.equal(peer.socket.ending, null)
})

t.test('the wheel visits each member once a period, spread, and stops with the last', async (t) => {
  const clock = new ManualClock()
  const wheel = new Heartbeat(clock, 3200)
  const visits: number[] = []
  const members = Array.from({ length: 64 }, (_, i) => ({ beat: () => { visits[i] = (visits[i] ?? 0) + 1 } }))
  const places = members.map((member) => wheel.add(member))
  clock.advance(3200)
  t.same(visits, Array(64).fill(1))
  t.equal(clock.pending, 1, 'one timer for all')
  members.forEach((member, i) => {
    wheel.remove(member, places[i] as number)
    wheel.remove(member, places[i] as number)
  })
  t.equal(clock.pending, 0)
  wheel.add({ beat: () => {} })
  t.equal(clock.pending, 1)
})

t.test('a hook that never answers denies, in bounded time', async (t) => {
  const { own, connect, clock } = await openNode({ limits: { hookTimeout: '2s' }, authorize: () => new Promise(() => {}) })
  const peer = await own()
  await peer.send({ type: 'subscribe', id: 1, channel: 'news', qos: 1 })
  await clock.advanceAsync(2000)
  t.match(peer.last('error'), { id: 1, code: 'PUSH_UNAVAILABLE' })
  const greeted = await connect().send({ type: 'hello', session: secret(), subscriptions: [{ channel: 'news', qos: 1 }] })
  await clock.advanceAsync(2000)
  t.match(greeted.last('welcome')?.subscriptions, [{ code: 'PUSH_UNAVAILABLE' }])
})

t.test('[P-2.8] the spread grows with the connections', async (t) => {
  const { hello, service } = await openNode()
  for (let i = 0; i < 21; i++) await hello()
  t.equal(service.spread, 11)
  const closed = service.close()
  await settled()
  let resolved = false
  closed.then(() => { resolved = true }).catch(t.error)
  await settled()
  t.notOk(resolved, 'the sockets are not gone')
})
