import { randomBytes } from 'node:crypto'
import websocket from '@fastify/websocket'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { constants, deflateRawSync } from 'node:zlib'
import { assertUnharmed, startApp } from '../helpers/app.js'
import { Peer, secret } from '../helpers/peer.js'
import { BINARY, CLOSE, PING, RawClient, TEXT, clientFrame, textOf, type FrameShape, type RawClientOptions, type RawFrame } from '../helpers/raw.js'

const DEFLATE = 'permessage-deflate'
const LIMIT = 64 * 1024
const COMPRESSED = 4 // RSV1
const PONG = 10
const limits = { closeGrace: 200, framesPerSecond: 1e6, bytesPerSecond: 1e9, publishesInFlight: 1e6, requestsInFlight: 1e6, historyPage: 1e6 }
const channels = { 'room/:id': { history: { limit: 1e6 }, clientPublish: true }, news: {} }
const offering = { client: { perMessageDeflate: { threshold: 0 } } }
const refusing = { client: { perMessageDeflate: false } }

const { app, url, port, log } = await startApp(t, { compression: true, limits, channels })
const healthy = await Peer.owner(url, { subscriptions: [{ channel: 'news', qos: 1 }] }, offering)
let said = 0

/** Another connection of the same app still receives, and nothing was harmed. */
async function stillFine (t: Test): Promise<void> {
  const data = { said: ++said, padding: 'x'.repeat(2000) }
  await app.push.publish('news', data)
  t.same(await healthy.data(1), [data])
  assertUnharmed(t, log)
}

const deflated = (data: Uint8Array | string, windowBits = 15) => deflateRawSync(data, { windowBits, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
const compressed = (frame: object, windowBits = 15): Buffer => clientFrame({ rsv: COMPRESSED, payload: deflated(JSON.stringify(frame), windowBits) })
const publish = (sequence: number, data: unknown, publisher: string) => ({ type: 'publish', channel: 'room/1', qos: 1, publisher, sequence, data })

/** A raw client that was welcomed, and the head of the answer to its upgrade. */
async function welcomed (extensions?: string, subscriptions: object[] = [], at = port): Promise<{ client: RawClient, head: string }> {
  const options: RawClientOptions = extensions === undefined ? {} : { extensions }
  const client = new RawClient(at, { ...options, extra: clientFrame({ payload: JSON.stringify({ type: 'hello', session: secret(), subscriptions }) }) })
  const head = await client.answered
  await client.json('welcome')
  return { client, head }
}

const negotiated = (head: string): string | undefined => /^sec-websocket-extensions: (.*)$/im.exec(head)?.[1]

t.test('[P-2.2] large messages are compressed, once for all, for those who offered it', async (t) => {
  const subscriptions = [{ channel: 'room/shared', qos: 0 }]
  const { client: one, head } = await welcomed(DEFLATE, subscriptions)
  const { client: two } = await welcomed(`${DEFLATE}; client_max_window_bits`, subscriptions)
  const { client: plain, head: without } = await welcomed(undefined, subscriptions)
  t.match(negotiated(head), /^permessage-deflate; .*server_no_context_takeover/)
  t.match(negotiated(head), /client_no_context_takeover/)
  t.equal(negotiated(without), undefined)

  const clients = [one, two, plain]
  const large = { text: 'many words '.repeat(1000) }
  await app.push.publish('room/shared', large)
  const got = await Promise.all(clients.map((client) => client.until((frame) => textOf(frame).includes('many words'))))
  const [first, second, third] = got as [RawFrame, RawFrame, RawFrame]
  t.same(got.map(({ compressed }) => compressed), [true, true, false])
  t.same(first.payload, second.payload, 'byte by byte')
  t.equal(textOf(first), textOf(third))
  t.match(JSON.parse(textOf(third)), { messages: [{ data: large }] })

  await app.push.publish('room/shared', 'a few')
  const small = await Promise.all(clients.map((client) => client.until(({ payload }) => payload.includes('a few'))))
  t.same(small.map(({ compressed }) => compressed), [false, false, false])
  for (const client of clients) client.socket.destroy()
  await stillFine(t)
})

t.test('what is small, or for one alone, or belongs to WebSocket itself is not compressed', async (t) => {
  const subscriptions = Array.from({ length: 100 }, (_, i) => ({ channel: `room/long-name-${i}`, qos: 1 }))
  const { client } = await welcomed(DEFLATE, subscriptions)
  client.write(compressed({ type: 'ping' }), clientFrame({ opcode: PING, payload: 'x'.repeat(125) }), compressed(publish(1, 'x'.repeat(2000), secret())), compressed({ type: 'history', id: 1, channel: 'room/1' }))
  await client.json('pong')
  await client.json('published')
  await client.json('history')
  t.equal((await client.until(({ opcode }) => opcode === PONG)).payload.length, 125)
  client.write(clientFrame({ payload: '?' }))
  t.equal(await client.closeCode(), 4400)
  t.ok(client.frames.length >= 6)
  t.same(client.frames.filter((frame) => frame.compressed), [])
  t.ok(client.frames.some(({ opcode }) => opcode === CLOSE))
  client.socket.destroy()
})

t.test('offers', async (t) => {
  const accepted: [offer: string, answer: RegExp, compresses: boolean, windowBits?: number][] = [
    ['; server_no_context_takeover; client_no_context_takeover', /^permessage-deflate/, true],
    ['; client_max_window_bits', /^(?!.*max_window)/, true],
    ['; client_max_window_bits=9', /client_max_window_bits=9/, true, 9],
    ['; server_max_window_bits=15', /server_max_window_bits=15/, true],
    ['; server_max_window_bits="15"', /server_max_window_bits=15/, true],
    ['; server_max_window_bits=14', /server_max_window_bits=14/, false],
    ['; server_max_window_bits=9', /server_max_window_bits=9/, false],
    ['; server_max_window_bits=8; client_max_window_bits=10', /server_max_window_bits=8/, false, 10],
    [`; server_max_window_bits=10, ${DEFLATE}`, /server_max_window_bits=10/, false],
    [`, ${DEFLATE}; server_max_window_bits=10`, /^(?!.*max_window)/, true],
    [', x-unknown; a=1', /^permessage-deflate/, true]
  ]
  for (const [offer, answer, compresses, windowBits] of accepted) {
    await t.test(`taken: ${offer}`, async (t) => {
      const { client, head } = await welcomed(DEFLATE + offer, [{ channel: 'room/1', qos: 0 }])
      t.match(negotiated(head), answer)
      const text = randomBytes(20_000).toString('hex')
      client.write(compressed(publish(1, text, secret()), windowBits))
      await client.json('published')
      const frame = await client.until((frame) => frame.payload.length > 10_000)
      t.equal(frame.compressed, compresses)
      t.match(JSON.parse(textOf(frame)), { messages: [{ data: text }] })
      client.socket.destroy()
    })
  }
  for (const offer of ['x-unknown', 'x-webkit-deflate-frame; no_context_takeover']) {
    await t.test(`passed over: ${offer}`, async (t) => {
      const { client, head } = await welcomed(offer)
      t.equal(negotiated(head), undefined)
      client.socket.destroy()
    })
  }
  const malformed = ['; server_max_window_bits=7', '; server_max_window_bits=16', '; server_max_window_bits', '; client_max_window_bits=x', '; client_no_context_takeover=1', '; unknown',
    '; server_max_window_bits=9; server_max_window_bits=9', '; ; ;', '; client_max_window_bits="', `${'; __proto__'.repeat(100)}`]
  for (const offer of malformed) {
    await t.test(`refused: ${offer.slice(0, 60)}`, async (t) => {
      const client = new RawClient(port, { extensions: DEFLATE + offer })
      t.match(await client.answered, / 400 /)
      client.socket.destroy()
    })
  }
  await stillFine(t)
})

t.test('[P-2.2] clients compress what they send', async (t) => {
  const reader = await Peer.owner(url, { subscriptions: [{ channel: 'room/1', qos: 1 }] }, refusing)

  await t.test('a client of ws', async (t) => {
    const writer = await Peer.owner(url, {}, offering)
    t.equal(writer.webSocket.extensions, DEFLATE)
    const publisher = secret()
    for (let sequence = 1; sequence <= 50; sequence++) writer.send(publish(sequence, { sequence, text: 'ü'.repeat(sequence * 400) }, publisher))
    const got = await reader.data(50) as { sequence: number, text: string }[]
    t.same(got.map(({ sequence, text }) => [sequence, text.length]), Array.from({ length: 50 }, (_, i) => [i + 1, (i + 1) * 400]))
    await writer.close()
  })

  await t.test('in fragments, with control frames in between', async (t) => {
    const { client } = await welcomed(DEFLATE)
    const publisher = secret()
    for (let sequence = 1; sequence <= 10; sequence++) {
      const bytes = deflated(JSON.stringify(publish(sequence, 'in fragments'.repeat(20), publisher)))
      const cuts = [0, 1, 10, 10, 11, bytes.length]
      cuts.slice(1).forEach((end, i, { length }) => {
        client.write(clientFrame({ opcode: i === 0 ? TEXT : 0, rsv: i === 0 ? COMPRESSED : 0, fin: i === length - 1, payload: bytes.subarray(cuts[i], end) }),
          clientFrame({ opcode: PING, payload: `${sequence}.${i}` }))
      })
    }
    await client.until(({ opcode, payload }) => opcode === PONG && String(payload) === '10.4')
    t.same(client.frames.filter(({ opcode }) => opcode === PONG).map(({ payload }) => String(payload)), Array.from({ length: 50 }, (_, i) => `${Math.floor(i / 5) + 1}.${i % 5}`))
    t.same(await reader.data(10), Array(10).fill('in fragments'.repeat(20)))
    client.socket.destroy()
  })

  await t.test('compressed and not, in turns', async (t) => {
    const { client } = await welcomed(DEFLATE)
    const publisher = secret()
    client.write(...Array.from({ length: 20 }, (_, i) => {
      const frame = publish(i + 1, i, publisher)
      return i % 2 === 0 ? compressed(frame) : clientFrame({ payload: JSON.stringify(frame) })
    }))
    t.same(await reader.data(20), Array.from({ length: 20 }, (_, i) => i))
    client.socket.destroy()
  })

  await reader.close()
  await stillFine(t)
})

t.test('10,000 compressed frames in one write: all taken, in order', async (t) => {
  const COUNT = 10_000
  const { client } = await welcomed(DEFLATE)
  const publisher = secret()
  client.write(...Array.from({ length: COUNT }, (_, i) => compressed({ ...publish(i + 1, i, publisher), channel: 'room/many' })), clientFrame({ opcode: PING, payload: 'last' }))
  await client.until(({ opcode, payload }) => opcode === PONG && String(payload) === 'last')
  client.write(compressed({ type: 'history', id: 1, channel: 'room/many', limit: 1e6 }))
  await client.until(({ opcode, payload }) => opcode === TEXT && payload.includes('"history"'))
  const { messages } = await app.push.history('room/many', { limit: 1e6 })
  t.same(messages.map(({ data }) => data), Array.from({ length: COUNT }, (_, i) => i))
  client.socket.destroy()
  await stillFine(t)
})

t.test('a peer that goes while much of it waits to be inflated is let go', async (t) => {
  const { client } = await welcomed(DEFLATE)
  const before = app.push.stats().connections
  client.write(...Array.from({ length: 2000 }, () => compressed({ type: 'ping' })))
  await client.json('pong')
  client.socket.destroy()
  while (app.push.stats().connections >= before) await new Promise((resolve) => { setImmediate(resolve) })
  await stillFine(t)
})

t.test('[P-9.2] what is wrong ends this connection only', async (t) => {
  const ping = deflated('{"type":"ping"}')
  const noise = randomBytes(LIMIT)
  const cases: [string, FrameShape[], number][] = [
    ['1 MB of zeros', [{ rsv: COMPRESSED, payload: deflated(Buffer.alloc(1024 * 1024)) }], 1009],
    ['one byte over the limit', [{ rsv: COMPRESSED, payload: deflated(Buffer.alloc(LIMIT + 1, ' ')) }], 1009],
    ['at the limit', [{ rsv: COMPRESSED, payload: deflated(Buffer.alloc(LIMIT, ' ')) }], 4400],
    ['zeros in fragments', [{ rsv: COMPRESSED, fin: false, payload: deflateRawSync(Buffer.alloc(1e6), { finishFlush: constants.Z_SYNC_FLUSH }) }, { opcode: 0, payload: ping }], 1009],
    ['fragments beyond the limit', [{ rsv: COMPRESSED, fin: false, payload: noise }, { opcode: 0, payload: noise }], 1009],
    ['corrupt', [{ rsv: COMPRESSED, payload: Buffer.alloc(100, 0xff) }], 1007],
    ['corrupt in its last fragment', [{ rsv: COMPRESSED, fin: false, payload: ping }, { opcode: 0, payload: Buffer.alloc(9, 0xff) }], 1007],
    ['not compressed at all', [{ rsv: COMPRESSED, payload: '{"type":"ping"}' }], 1007],
    ['it refers to the message before', [{ rsv: COMPRESSED, payload: ping }, { rsv: COMPRESSED, payload: Buffer.from([0x02, 0xf0, 0xff]) }], 1007],
    ['UTF-8 that is none', [{ rsv: COMPRESSED, payload: deflated(Buffer.from([0x7b, 0xc3, 0x28])) }], 1007],
    ['cut short', [{ rsv: COMPRESSED, payload: ping.subarray(0, 5) }], 4400],
    ['nothing', [{ rsv: COMPRESSED }], 4400],
    ['binary', [{ rsv: COMPRESSED, opcode: BINARY, payload: ping }], 4400],
    ['a compressed continuation', [{ rsv: COMPRESSED, fin: false, payload: ping }, { rsv: COMPRESSED, opcode: 0, payload: ping }], 1002],
    ['a compressed ping', [{ rsv: COMPRESSED, opcode: PING, payload: ping }], 1002],
    ['a compressed close', [{ rsv: COMPRESSED, opcode: CLOSE, payload: ping }], 1002],
    ['RSV2 too', [{ rsv: COMPRESSED | 2, payload: ping }], 1002],
    ['fragments without end', Array.from({ length: 1100 }, (_, i): FrameShape => ({ opcode: i === 0 ? TEXT : 0, rsv: i === 0 ? COMPRESSED : 0, fin: false })), 1008]
  ]
  for (const [name, shapes, code] of cases) {
    await t.test(name, async (t) => {
      const { client } = await welcomed(DEFLATE)
      client.write(...shapes.map(clientFrame))
      t.equal(await client.closeCode(), code)
      client.socket.end()
      await client.gone
      await stillFine(t)
    })
  }
  await t.test('where it was not negotiated', async (t) => {
    const { client } = await welcomed()
    client.write(clientFrame({ rsv: COMPRESSED, payload: ping }))
    t.equal(await client.closeCode(), 1002)
    client.socket.destroy()
    await stillFine(t)
  })
})

t.test('1 GB of zeros in a frame that is within the limit costs no memory', async (t) => {
  const { port, log } = await startApp(t, { compression: true, limits: { ...limits, frameBytes: 2 * 1024 * 1024 } })
  // A flushed block ends on a byte and goes on from anywhere: a thousand of them are as good as one.
  const bomb = Buffer.concat(Array(1024).fill(deflateRawSync(Buffer.alloc(1024 * 1024), { finishFlush: constants.Z_SYNC_FLUSH })))
  t.ok(bomb.length < 2 * 1024 * 1024)
  const frame = clientFrame({ rsv: COMPRESSED, payload: bomb })
  const before = process.memoryUsage().rss
  for (let i = 0; i < 10; i++) {
    const { client } = await welcomed(DEFLATE, [], port)
    client.write(frame)
    t.equal(await client.closeCode(), 1009)
    client.socket.destroy()
  }
  t.ok(process.memoryUsage().rss - before < 128 * 1024 * 1024)
  assertUnharmed(t, log)
})

t.test('it is off unless asked for', async (t) => {
  for (const options of [{}, { compression: false }]) {
    const { app, port, url } = await startApp(t, options)
    const { client, head } = await welcomed(`${DEFLATE}; client_max_window_bits`, [{ channel: 'news', qos: 0 }], port)
    t.equal(negotiated(head), undefined)
    await app.push.publish('news', 'x'.repeat(5000))
    t.equal((await client.until(({ payload }) => payload.length > 4000)).compressed, false)
    client.write(compressed({ type: 'ping' }))
    t.equal(await client.closeCode(), 1002)
    client.socket.destroy()
    const peer = await Peer.owner(url, {}, offering)
    t.equal(peer.webSocket.extensions, '')
    await peer.close()
  }
})

t.test('the threshold', async (t) => {
  const { app, port } = await startApp(t, { compression: { threshold: 10_000 } })
  const { client } = await welcomed(DEFLATE, [{ channel: 'news', qos: 0 }], port)
  await app.push.publish('news', 'x'.repeat(9000))
  t.equal((await client.until(({ payload }) => payload.length > 9000)).compressed, false)
  await app.push.publish('news', 'x'.repeat(10_000))
  await client.until(({ opcode, compressed }) => opcode === TEXT && compressed)
  client.socket.destroy()
})

t.test('the host has @fastify/websocket', async (t) => {
  const large = { text: 'many words '.repeat(1000) }

  /** The plugin on a server of the host's, what the server thinks of one client, and whether this one got compressed messages. */
  async function exchange (t: Test, perMessageDeflate: boolean | object, compression: boolean, odd = false) {
    const sockets: WebSocket[] = []
    const { app, url, log } = await startApp(t, { compression, channels }, async (app) => {
      await app.register(websocket, { options: { perMessageDeflate, maxPayload: LIMIT } })
      app.websocketServer.on('connection', (webSocket) => {
        sockets.push(webSocket)
        if (odd) Object.assign(webSocket, { _extensions: { [DEFLATE]: { cleanup: () => {} } } })
      })
    })
    const peers = []
    for (let i = 0; i < 2; i++) peers.push(await Peer.owner(url, { subscriptions: [{ channel: 'room/1', qos: 1 }] }, offering))
    const [peer] = peers as [Peer]
    const bytes = () => (peer.webSocket as unknown as { _socket: { bytesRead: number } })._socket.bytesRead
    const before = bytes()
    const publisher = secret()
    for (let sequence = 1; sequence <= 3; sequence++) {
      peer.send(publish(sequence, large, publisher)) // each refers to the one before where the client may
      for (const each of peers) t.same(await each.data(1), [large])
    }
    assertUnharmed(t, log)
    const { _inflate, _deflate } = (sockets[0] as unknown as { _extensions: Record<string, { _inflate?: unknown, _deflate?: unknown }> })._extensions[DEFLATE] ?? {}
    const warnings = log.filter(({ level, msg }) => level === 40 && /deflate|compress|known/i.test(msg)).map(({ msg }) => msg)
    const compressed = bytes() - before < JSON.stringify(large).length
    for (const each of peers) await each.close()
    return { app, compressed, warnings, inflates: Boolean(_inflate), deflates: Boolean(_deflate) }
  }

  const small = { serverNoContextTakeover: true, clientNoContextTakeover: true }
  const cases: [string, boolean | object, boolean, { compressed: boolean, inflates: boolean, warning?: RegExp }][] = [
    ['with what this needs', small, true, { compressed: true, inflates: false }],
    ['and this has it off', small, false, { compressed: false, inflates: false }],
    ['with its defaults', true, true, { compressed: true, inflates: true, warning: /clientNoContextTakeover/ }],
    ['with its defaults, and this has it off', true, false, { compressed: false, inflates: true, warning: /clientNoContextTakeover/ }],
    ['without', false, true, { compressed: false, inflates: false, warning: /nothing is compressed/ }],
    ['with a smaller window', { ...small, serverMaxWindowBits: 12 }, true, { compressed: false, inflates: false }],
    ['with a small window of clients', { ...small, clientMaxWindowBits: 10 }, true, { compressed: true, inflates: false }]
  ]
  for (const [name, perMessageDeflate, compression, { compressed, inflates, warning }] of cases) {
    await t.test(name, async (t) => {
      const seen = await exchange(t, perMessageDeflate, compression)
      t.equal(seen.compressed, compressed)
      t.equal(seen.inflates, inflates, 'a zlib stream for each connection')
      t.equal(seen.deflates, false, 'nothing goes through the compressor of ws')
      t.equal(seen.warnings.length, warning === undefined ? 0 : 1)
      if (warning !== undefined) t.match(seen.warnings[0], warning)
    })
  }
  await t.test('of a ws that is made otherwise: it inflates, nothing is compressed, and that is said once', async (t) => {
    const seen = await exchange(t, small, true, true)
    t.equal(seen.compressed, false)
    t.match(seen.warnings, [/this version of ws is not known/])
    t.equal(seen.warnings.length, 1)
  })
})
