import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocketServer, type WebSocket } from 'ws'
import { createClient, PushError } from '../../lib/client/node.js'
import { nodePlatform } from '../../lib/client/platform/node.js'
import { HELLO_PREFIX, SUBPROTOCOL } from '../../lib/protocol/version.js'

const welcome = {
  type: 'welcome',
  clientId: 'c',
  resumed: false,
  sessionTtl: 1,
  heartbeat: { interval: 25_000, timeout: 10_000 },
  spread: 0,
  limits: { frameBytes: 65_536, publishesInFlight: 9 },
  subscriptions: [{ channel: 'a', qos: 1, verdict: 'started', position: { epoch: 'e', offset: 0 } }]
}

t.test('[P-2.1] [P-2.3] [P-8.2] the Node client against a plain WebSocket server', async (t) => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => SUBPROTOCOL })
  t.teardown(() => server.close())
  await once(server, 'listening')
  const frames: Array<{ type: string }> = []
  const closed = new Promise<unknown[]>((resolve) => {
    server.on('connection', (socket: WebSocket, request) => {
      const [, offer = ''] = String(request.headers['sec-websocket-protocol']).split(',').map((each) => each.trim())
      frames.push(JSON.parse(Buffer.from(offer.slice(HELLO_PREFIX.length), 'base64url').toString()))
      socket.on('message', (data) => {
        frames.push(JSON.parse(String(data)))
        if (frames.at(-1)?.type === 'publish') socket.send(JSON.stringify({ type: 'published', channel: 'a', sequence: 1, count: 1, epoch: 'e', offset: 2 }))
      })
      socket.on('close', (code, reason) => resolve([code, String(reason)]))
      socket.send(Buffer.from([1]))
      socket.send(JSON.stringify(welcome))
      socket.send(JSON.stringify({ type: 'messages', channel: 'a', epoch: 'e', from: 1, messages: [{ id: 'x', qos: 1, timestamp: 1, data: 'grüß' }] }))
    })
  })
  const client = createClient(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/push`, { clientId: 'node' })
  const messages = client.channel('a')[Symbol.asyncIterator]()
  t.match(await messages.next(), { value: { data: 'grüß' } })
  t.same(await client.channel('a').publish(1), { id: `${(frames.find(({ type }) => type === 'publish') as { publisher?: string }).publisher}.1`, position: { epoch: 'e', offset: 2 }, duplicate: false })
  await client.close()
  t.same(await closed, [1000, 'PUSH_CLOSED'])
  t.match(frames[0], { type: 'hello', clientId: 'node' })
})

t.test('an abandoned socket, connecting or open, tells nothing and holds nothing', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {})) // accepts, and never answers
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const platform = nodePlatform()
  const told: string[] = []
  const socket = platform.connect(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, [SUBPROTOCOL], {
    open: () => told.push('open'), message: () => told.push('message'), close: () => told.push('close')
  })
  const [peer] = await once(server, 'connection')
  socket.send('nothing: it is not open')
  t.equal(socket.buffered(), 0)
  socket.abandon()
  await once(peer, 'close')
  t.same(told, [])
  t.match(platform.secret(), /^[\w-]{22}$/)
  t.ok(platform.random() < 1)
  platform.watch(() => {})()
})

t.test('a port nobody listens on is told as a close', async (t) => {
  const client = createClient('ws://127.0.0.1:9', { connect: false })
  const waiting = new Promise<void>((resolve) => { client.on('state', (state) => { if (state === 'waiting') resolve() }) })
  client.connect()
  await waiting
  await client.close({ timeout: 0 })
  t.throws(() => client.channel(''), PushError)
})
