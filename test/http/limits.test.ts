import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { assertUnharmed, startApp } from '../helpers/app.js'
import { Peer, secret } from '../helpers/peer.js'
import { RawClient, clientFrame } from '../helpers/raw.js'

const hello = (more: object = {}) => ({ type: 'hello', session: secret(), ...more })
const tooMany = { code: 4429, reason: 'PUSH_TOO_MANY' }
const forwarded = (ip: string) => ({ headers: { 'x-forwarded-for': ip } })

t.test('[P-9.4] connections of one address', async (t) => {
  const { app, url, log } = await startApp(t, { limits: { connectionsPerIp: 2 } })
  const peers = [await Peer.owner(url), await Peer.owner(url)]
  const third = await Peer.open(url, { hello: hello() })
  t.match(await third.take('goodbye'), { code: 'PUSH_TOO_MANY', limit: 'connectionsPerIp', after: [Number, Number] })
  t.same(await third.ended, tooMany)
  const spoof = await Peer.open(url, forwarded('192.0.2.1'))
  t.same(await spoof.ended, tooMany, 'whom nobody trusts cannot say that it is somebody else')
  await Peer.owner(url, {}, { client: { localAddress: '127.0.0.2' } })
  await peers[0]?.close()
  while (app.push.stats().connections > 2) await setImmediate()
  await Peer.owner(url)
  await peers[1]?.barrier()
  t.equal(app.push.stats().refusedConnections, 2)
  assertUnharmed(t, log)
})

t.test('behind a proxy that the host trusts, an address is the one it names', async (t) => {
  const { url } = await startApp(t, { limits: { connectionsPerIp: 1 } }, () => {}, { trustProxy: '127.0.0.1' })
  await Peer.owner(url, {}, forwarded('192.0.2.1'))
  await Peer.owner(url, {}, forwarded('192.0.2.2'))
  for (const ip of ['192.0.2.1', '198.51.100.1, 192.0.2.1', '::ffff:192.0.2.1']) {
    const peer = await Peer.open(url, forwarded(ip))
    t.same(await peer.ended, tooMany, ip)
  }
  await Peer.owner(url, {}, forwarded('2001:db8::1'))
  t.same(await (await Peer.open(url, forwarded('2001:db8::2'))).ended, tooMany, 'of IPv6 the network')
})

t.test('[P-9.4] where many of an address are told so, the others are turned away before', async (t) => {
  const { app, port, url } = await startApp(t, { limits: { connectionsPerIp: 1, closeGrace: '60s' } })
  const peer = await Peer.owner(url)
  const clients = Array.from({ length: 100 }, () => new RawClient(port)) // they never answer the close frame
  for (const client of clients) t.equal(await client.closeCode(), 4429)
  const late = new RawClient(port)
  t.match(await late.answered, /^HTTP\/1.1 429 [^]*retry-after: 5/)
  await late.gone
  await Peer.owner(url, {}, { client: { localAddress: '127.0.0.2' } })
  for (const { socket } of [...clients, late]) socket.destroy()
  while (app.push.stats().connections > 2) await setImmediate()
  t.same(await (await Peer.open(url)).ended, tooMany, 'they are told again')
  await peer.barrier()
  t.equal(app.push.stats().refusedConnections, 102)
})

t.test('[P-9.4] connections of one user', async (t) => {
  const { app, url } = await startApp(t, { limits: { connectionsPerUser: 2 }, authenticate: (_request, { token }) => ({ userId: String(token) }) })
  const session = secret()
  const first = await Peer.owner(url, { token: 'alice', session })
  await Peer.owner(url, { token: 'alice' })
  const third = await Peer.open(url, { hello: hello({ token: 'alice' }) })
  t.match(await third.take('goodbye'), { code: 'PUSH_TOO_MANY', limit: 'connectionsPerUser' })
  t.same(await third.ended, tooMany)
  await Peer.owner(url, { token: 'bob' })
  await Peer.owner(url, { token: 'alice', session })
  t.equal((await first.ended).code, 4409, 'its session came back')
  while (app.push.stats().connections > 3) await setImmediate()
  t.equal(app.push.stats().connections, 3)
})

t.test('[P-9.4] connections of this process', async (t) => {
  const { app, port, url, log } = await startApp(t, { limits: { connections: 2 } })
  const peers = [await Peer.owner(url, { subscriptions: [{ channel: 'news', qos: 1 }] }), await Peer.owner(url)]
  for (let i = 0; i < 3; i++) {
    const client = new RawClient(port)
    t.match(await client.answered, /^HTTP\/1.1 503 [^]*retry-after: 5/)
    await client.gone
    client.socket.destroy()
  }
  const plain = await app.inject('/push')
  t.equal(plain.statusCode, 426, 'a plain request is no connection')
  await app.push.publish('news', 'on')
  t.same(await peers[0]?.data(1), ['on'])
  await peers[1]?.close()
  while (app.push.stats().connections > 1) await setImmediate()
  await Peer.owner(url)
  t.equal(app.push.stats().refusedConnections, 3)
  t.equal(log.filter(({ msg }) => msg === 'push: no room for new connections').length, 1, 'it is warned of once')
  assertUnharmed(t, log)
})

t.test('[P-2.5] who connects and says nothing, or half of it', async (t) => {
  const { app, port, url } = await startApp(t, { limits: { helloTimeout: 100, closeGrace: 100 } })
  const calm = await Peer.owner(url)
  const silent = await Peer.open(url)
  t.match(await silent.take('goodbye'), { code: 'PUSH_TIMEOUT' })
  t.same(await silent.ended, { code: 4408, reason: 'PUSH_TIMEOUT' })
  const half = new RawClient(port)
  await half.answered
  half.write(clientFrame({ payload: JSON.stringify(hello()) }).subarray(0, 20))
  t.equal(await half.closeCode(), 4408)
  await half.gone
  half.socket.destroy()
  await calm.barrier() // subscribed to nothing, and welcome to stay
  while (app.push.stats().connections > 1) await setImmediate()
})

t.test('an upgrade request that never ends is ended by Node', async (t) => {
  // The bounds of Node's own server, which are the host's to choose: 60 s, looked at every 30 s, unless set.
  const http = { headersTimeout: 100, requestTimeout: 200, connectionsCheckingInterval: 20 }
  const { app, port } = await startApp(t, {}, () => {}, { http })
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  socket.write('GET /push HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Slow: ')
  const dripping = setInterval(() => socket.write('x'), 10)
  await new Promise((resolve) => { socket.on('close', resolve) })
  clearInterval(dripping)
  t.equal(app.push.stats().connections, 0)
})

t.test('[P-7.3] bytes of a frame that never ends are no sign of life', async (t) => {
  const { app, port } = await startApp(t, { limits: { silence: 200 }, heartbeat: { interval: 50 } })
  const client = new RawClient(port, { extra: clientFrame({ payload: JSON.stringify(hello()) }) })
  await client.json('welcome')
  const frame = clientFrame({ payload: 'x'.repeat(10_000) })
  let at = 0
  const dripping = setInterval(() => client.write(frame.subarray(at, ++at)), 5)
  await client.gone
  clearInterval(dripping)
  client.socket.destroy()
  t.equal(app.push.stats().connections, 0)
})

t.test('[P-9.3] who publishes too fast is slowed down, and loses nothing', async (t) => {
  const { app, url, log } = await startApp(t, { limits: { framesPerSecond: 500, publishesInFlight: 2000 } })
  const peer = await Peer.owner(url)
  const publisher = secret()
  const COUNT = 1500
  for (let sequence = 1; sequence <= COUNT; sequence++) peer.send({ type: 'publish', channel: 'room/1', qos: 1, sequence, ...sequence === 1 ? { publisher } : {}, data: sequence })
  for (let answered = 0; answered < COUNT;) answered += (await peer.take('published')).count
  const { head } = await app.push.history('room/1', { limit: 1 })
  t.equal(head.offset, COUNT)
  await peer.close()
  assertUnharmed(t, log)
})

t.test('a connection that is not read is closed with all others', async (t) => {
  const { app, port } = await startApp(t, { limits: { framesPerSecond: 10, closeGrace: 200 } })
  const client = new RawClient(port, { extra: clientFrame({ payload: JSON.stringify(hello()) }) })
  await client.json('welcome')
  const ping = clientFrame({ payload: '{"type":"ping"}' })
  client.write(ping)
  await client.json('pong')
  client.write(...Array(2000).fill(ping))
  await client.until(() => client.frames.length > 30) // the rest of the first read, and no more for minutes
  await app.close()
  t.equal(await client.closeCode(), 1012)
  client.socket.destroy()
})

t.test('[P-9.3] a flood that no pause makes up for is ended, and told why', async (t) => {
  const { port, log } = await startApp(t, { limits: { framesPerSecond: 100, silence: '5s', closeGrace: 200 } })
  const client = new RawClient(port, { extra: clientFrame({ payload: JSON.stringify(hello()) }) })
  await client.json('welcome')
  client.write(...Array(3000).fill(clientFrame({ opcode: 10 })))
  t.match(await client.json('goodbye'), { code: 'PUSH_TOO_MANY', limit: 'framesPerSecond', after: [Number, Number] })
  t.equal(await client.closeCode(), 4429)
  await client.gone
  client.socket.destroy()
  assertUnharmed(t, log)
})

t.test('[P-9.3] what came on the socket before the upgrade does not count', async (t) => {
  const { port } = await startApp(t, { limits: { bytesPerSecond: 1024, silence: '5s' } }, (app) => {
    app.post('/upload', async () => 'thanks')
  })
  const body = 'x'.repeat(100_000)
  const upload = Buffer.from(`POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const client = new RawClient(port, { before: [upload, upload], extra: clientFrame({ payload: JSON.stringify(hello()) }) })
  await client.json('welcome')
  client.text('{"type":"ping"}')
  await client.json('pong')
  t.equal(client.frames.some((frame) => frame.opcode === 8), false)
  client.socket.destroy()
})
