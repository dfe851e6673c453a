import t, { type Test } from 'tap'
import type { FastifyPushOptions } from '../../lib/index.js'
import { startApp } from '../helpers/app.js'
import { Peer, secret } from '../helpers/peer.js'
import { TcpProxy } from '../helpers/tcp-proxy.js'

const room = 'room/1'

async function setUp (t: Test, options: FastifyPushOptions = {}) {
  const { app, port } = await startApp(t, options)
  const proxy = await TcpProxy.start(port)
  t.teardown(() => proxy.close())
  return { app, proxy, url: `ws://127.0.0.1:${proxy.port}/push` }
}

for (const [name, cut] of [['RST', (proxy: TcpProxy) => proxy.reset()], ['FIN', (proxy: TcpProxy) => proxy.finish()]] as const) {
  t.test(`[P-4.7] cut by ${name}: what was not acknowledged comes again, once each`, async (t) => {
    const { app, proxy, url } = await setUp(t)
    const hello = { clientId: 'reader', subscriptions: [{ channel: room, qos: 1 }] }
    const first = await Peer.owner(url, hello)
    for (let i = 1; i <= 3; i++) await app.push.publish(room, i)
    t.same(await first.data(3), [1, 2, 3])
    const { epoch } = (await app.push.history(room)).head
    first.send({ type: 'ack', positions: [{ channel: room, epoch, offset: 1 }] })
    await first.barrier()
    cut(proxy)
    await first.ended
    await app.push.publish(room, 4)
    const { peer, welcome } = await Peer.welcomed(url, hello)
    t.match(welcome, { resumed: true, subscriptions: [{ verdict: 'resumed', position: { offset: 1 } }] })
    t.same(await peer.data(3), [2, 3, 4])
  })
}

t.test('[P-5.6] cut after every number of bytes of an answer: a resend is recognised', async (t) => {
  const { app, proxy, url } = await setUp(t)
  const session = secret()
  const publisher = secret()
  let sequence = 0
  for (let bytes = 0; bytes < 120; bytes += 17) {
    const peer = await Peer.owner(url, { session })
    const frame = { type: 'publish', channel: room, qos: 2, publisher, sequence: ++sequence, data: sequence }
    proxy.cutAfter('down', bytes)
    peer.send(frame)
    // A number of bytes that the answer does not reach cuts the next one.
    const answered = await peer.take('published').then(() => true, () => false)
    if (answered) proxy.reset()
    await peer.ended
    proxy.cutAfter('down', Infinity)
    const again = await Peer.owner(url, { session })
    again.send(frame)
    t.match(await again.take('published'), { sequence, duplicate: true, offset: sequence })
    await again.close()
  }
  const { messages } = await app.push.history(room, { limit: 100 })
  t.same(messages.map(({ data }) => data), Array.from({ length: sequence }, (_, i) => i + 1))
})

t.test('a peer that does not read for a while loses nothing, and nothing queues up for it', async (t) => {
  const { app, proxy, url } = await setUp(t, { limits: { bufferedBytes: 64 * 1024, window: 10_000 } })
  const peer = await Peer.owner(url, { subscriptions: [{ channel: room, qos: 1 }] })
  proxy.stall('down')
  const COUNT = 400
  const text = 'x'.repeat(32 * 1024)
  for (let i = 0; i < COUNT; i++) {
    await app.push.publish(room, { i, text })
    if (i % 20 === 0) await new Promise((resolve) => { setImmediate(resolve) })
  }
  t.ok(app.push.stats().delivered < COUNT, 'it was not written')
  proxy.resume()
  const got = await peer.data(COUNT) as { i: number }[]
  t.same(got.map(({ i }) => i), Array.from({ length: COUNT }, (_, i) => i))
})

t.test('late bytes both ways', async (t) => {
  const { app, proxy, url } = await setUp(t)
  proxy.delay = 5
  const peer = await Peer.owner(url, { subscriptions: [{ channel: room, qos: 1 }] })
  for (let i = 0; i < 20; i++) app.push.publish(room, i).catch(t.error)
  t.same(await peer.data(20), Array.from({ length: 20 }, (_, i) => i))
  await peer.close()
})

t.test('a client that ends its half is closed', async (t) => {
  const { app, proxy, url } = await setUp(t)
  const peer = await Peer.owner(url)
  proxy.stall('up')
  peer.webSocket.terminate()
  await peer.ended
  proxy.resume()
  const other = await Peer.owner(url)
  await other.barrier()
  while (app.push.stats().connections > 1) await new Promise((resolve) => { setImmediate(resolve) })
  t.equal(app.push.stats().connections, 1)
})
