import t, { type Test } from 'tap'
import { assertUnharmed, startApp } from '../helpers/app.js'
import { Peer, secret } from '../helpers/peer.js'
import { BINARY, CLOSE, PING, RawClient, TEXT, clientFrame, type FrameShape } from '../helpers/raw.js'

const LIMIT = 16 * 1024
const { app, url, port, log } = await startApp(t, { limits: { frameBytes: LIMIT, subscriptions: 3, publishesInFlight: 4, closeGrace: 200 } })
const healthy = await Peer.owner(url, { subscriptions: [{ channel: 'news', qos: 1 }] })
let said = 0

/** Another connection of the same app still receives, and nothing was harmed. */
async function stillFine (t: Test): Promise<void> {
  await app.push.publish('news', ++said)
  t.same(await healthy.data(1), [said])
  assertUnharmed(t, log)
}

const WELCOMED = Buffer.from(JSON.stringify({ type: 'hello', session: secret() }))

t.test('[P-9.2] what WebSocket itself forbids', async (t) => {
  const cases: [string, FrameShape[], number][] = [
    ['invalid UTF-8', [{ payload: Buffer.from([0x7b, 0xc3, 0x28]) }], 1007],
    ['a lone surrogate in UTF-8', [{ payload: Buffer.from([0xed, 0xa0, 0x80]) }], 1007],
    ['unmasked', [{ masked: false, payload: '{"type":"ping"}' }], 1002],
    ['RSV1', [{ rsv: 4, payload: '{}' }], 1002],
    ['RSV2', [{ rsv: 2, payload: '{}' }], 1002],
    ['RSV3', [{ rsv: 1, payload: '{}' }], 1002],
    ['opcode 3', [{ opcode: 3 }], 1002],
    ['opcode 15', [{ opcode: 15 }], 1002],
    ['a fragmented ping', [{ opcode: PING, fin: false }], 1002],
    ['a ping of 126 bytes', [{ opcode: PING, payload: Buffer.alloc(126) }], 1002],
    ['an orphan continuation', [{ opcode: 0, payload: 'x' }], 1002],
    ['a text inside a fragmented one', [{ fin: false, payload: '{' }, { payload: '}' }], 1002],
    ['a close of one byte', [{ opcode: CLOSE, payload: Buffer.from([3]) }], 1002],
    ['close code 999', [{ opcode: CLOSE, payload: Buffer.from([0x03, 0xe7]) }], 1002],
    ['close code 1005', [{ opcode: CLOSE, payload: Buffer.from([0x03, 0xed]) }], 1002],
    ['a close reason of invalid UTF-8', [{ opcode: CLOSE, payload: Buffer.from([0x03, 0xe8, 0xff]) }], 1007],
    ['a length of 2^63', [{ length: 1n << 63n }], 1009],
    ['a length of 2^62', [{ length: 1n << 62n }], 1009],
    ['a frame over the limit', [{ payload: Buffer.alloc(LIMIT + 1, 0x20) }], 1009],
    ['a message over the limit in fragments', [{ fin: false, payload: Buffer.alloc(LIMIT, 0x20) }, { opcode: 0, payload: Buffer.alloc(LIMIT, 0x20) }], 1009],
    ['fragments without end', Array.from({ length: 1100 }, (_, i): FrameShape => ({ opcode: i === 0 ? TEXT : 0, fin: false })), 1008]
  ]
  for (const [name, shapes, code] of cases) {
    for (const greeted of [true, false]) {
      await t.test(`${name}, ${greeted ? 'welcomed' : 'before the hello'}`, async (t) => {
        const client = new RawClient(port)
        await client.answered
        if (greeted) {
          client.write(clientFrame({ payload: WELCOMED }))
          await client.json('welcome')
        }
        client.write(...shapes.map(clientFrame))
        t.equal(await client.closeCode(), code)
        client.socket.end()
        await client.gone
        await stillFine(t)
      })
    }
  }
})

t.test('200,000 empty fragments cost nothing', async (t) => {
  const client = new RawClient(port)
  await client.answered
  const before = process.memoryUsage().rss
  const fragment = clientFrame({ opcode: 0, fin: false })
  client.write(clientFrame({ fin: false }), Buffer.concat(Array(200_000).fill(fragment)))
  t.equal(await client.closeCode(), 1008)
  client.socket.destroy()
  t.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024)
  await stillFine(t)
})

t.test('a peer that breaks WebSocket and then neither reads nor closes is dropped', async (t) => {
  const client = new RawClient(port)
  await client.answered
  client.write(clientFrame({ opcode: 3 }))
  await client.gone
  await stillFine(t)
})

const position = (offset: unknown, epoch: unknown = 'e') => JSON.stringify({ type: 'ack', positions: [{ channel: 'news', epoch, offset }] })
const name = (channel: string) => JSON.stringify({ type: 'drop', channel, epoch: 'e', offset: 1 })

t.test('[P-9.2] texts that are no frames', async (t) => {
  const deep = '['.repeat(5000) + ']'.repeat(5000)
  const texts: [string, string][] = [
    ['nothing', ''],
    ['not JSON', 'hello'],
    ['half of it', '{"type":"ping"'],
    ['two of them', '{"type":"ping"}{"type":"ping"}'],
    ['a BOM', '\ufeff{"type":"ping"}'],
    ['NaN', '{"type":"subscribe","id":NaN,"channel":"news","qos":1}'],
    ['null', 'null'],
    ['a number', '1e400'],
    ['a string', '"ping"'],
    ['an array', '[{"type":"ping"}]'],
    ['no type', '{}'],
    ['a type that is no string', '{"type":{"toString":1}}'],
    ['a type twice, the last one wrong', '{"type":"ping","type":7}'],
    ['too deep', `{"type":"publish","channel":"room/1","qos":0,"data":${deep}}`],
    ['too deep and open', '['.repeat(10_000)],
    ['too deep within an unknown field', `{"type":"ping","x":${deep}}`],
    ['offset -1', position(-1)],
    ['offset 1.5', position(1.5)],
    ['offset 2^53', position(2 ** 53)],
    ['offset 1e400', '{"type":"ack","positions":[{"channel":"news","epoch":"e","offset":1e400}]}'],
    ['offset as a string', position('1')],
    ['no offset', position(undefined)],
    ['no epoch', position(1, '')],
    ['an epoch without end', position(1, 'e'.repeat(65))],
    ['a channel without end', name('c'.repeat(256))],
    ['no channel', name('')],
    ['qos 3', '{"type":"subscribe","id":1,"channel":"news","qos":3}'],
    ['a negative rewind', '{"type":"subscribe","id":1,"channel":"news","qos":1,"rewind":-1}'],
    ['a publish without data', '{"type":"publish","channel":"room/1","qos":0}'],
    ['sequence 0', '{"type":"publish","channel":"room/1","qos":1,"sequence":0,"data":1}'],
    ['a publisher that is no secret', '{"type":"publish","channel":"room/1","qos":1,"sequence":1,"publisher":"../../etc/passwd","data":1}'],
    ['a ttl of nothing', '{"type":"publish","channel":"room/1","qos":1,"sequence":1,"ttl":0,"data":1}'],
    ['history of nothing', '{"type":"history","id":1,"channel":"room/1","limit":0}'],
    ['positions that are none', '{"type":"ack","positions":[null]}'],
    ['acks without end', JSON.stringify({ type: 'ack', positions: '1'.repeat(100) })]
  ]
  for (const [what, text] of texts) {
    await t.test(what, async (t) => {
      const peer = await Peer.owner(url)
      peer.sendText(text)
      t.match(await peer.take('goodbye'), { code: 'PUSH_BAD_FRAME' })
      t.same(await peer.ended, { code: 4400, reason: 'PUSH_BAD_FRAME' })
    })
  }
  await stillFine(t)
})

t.test('depth 100,000 through a larger limit', async (t) => {
  const { url, log } = await startApp(t, { limits: { frameBytes: 1024 * 1024 } })
  for (const [open, close] of [['[', ']'], ['{"a":', '}']] as const) {
    const peer = await Peer.owner(url)
    peer.sendText(`{"type":"publish","channel":"room/1","qos":0,"data":${open.repeat(100_000)}1${close.repeat(100_000)}}`)
    t.equal((await peer.ended).code, 4400)
  }
  assertUnharmed(t, log)
})

t.test('[P-9.2] binary', async (t) => {
  const client = new RawClient(port)
  await client.answered
  client.write(clientFrame({ opcode: BINARY, payload: '{"type":"ping"}' }))
  t.equal(await client.closeCode(), 4400)
  client.socket.destroy()
  await stillFine(t)
})

t.test('[P-2.2] fragments within the limits are a message', async (t) => {
  const client = new RawClient(port)
  await client.answered
  const text = WELCOMED
  client.write(clientFrame({ fin: false, payload: text.subarray(0, 5) }), clientFrame({ opcode: PING, payload: 'in between' }), clientFrame({ opcode: 0, payload: text.subarray(5) }))
  await client.json('welcome')
  await client.until(({ opcode, payload }) => opcode === 10 && String(payload) === 'in between')
  client.socket.destroy()
})

t.test('[P-9.2] the host has @fastify/websocket with a larger limit: ours holds', async (t) => {
  const { default: websocket } = await import('@fastify/websocket')
  const { url, log } = await startApp(t, { limits: { frameBytes: 1000 } }, (app) => app.register(websocket))
  const peer = await Peer.owner(url)
  peer.sendText(JSON.stringify({ type: 'ping', x: 'ü'.repeat(600) }))
  t.same(await peer.ended, { code: 4413, reason: 'PUSH_TOO_LARGE' })
  assertUnharmed(t, log)
})

t.test('JSON that is odd and allowed arrives as it was sent', async (t) => {
  const sender = await Peer.owner(url)
  const reader = await Peer.owner(url, { subscriptions: [{ channel: 'room/odd', qos: 1 }] })
  const odd = ['{"__proto__":{"x":1}}', '{"constructor":{"prototype":{"x":1}}}', '{"a":1,"a":2}', '1e400', '123456789012345678901234567890', '-0', '"\\ud800"',
    '"\\u0000\\u2028"', '[]', 'null', 'false', '""', '{"toString":1,"hasOwnProperty":2}', '{"toJSON":"x"}']
  const publisher = secret()
  for (const [i, text] of odd.entries()) {
    sender.sendText(`{"type":"publish","channel":"room/odd","qos":1,"publisher":"${publisher}","sequence":${i + 1},"data":${text}}`)
    await sender.take('published')
    const frame = await reader.take('messages')
    t.equal(JSON.stringify(frame.messages[0]?.data), JSON.stringify(JSON.parse(text)), text)
  }
  await stillFine(t)
})

t.test('[P-1.1] names that are none', async (t) => {
  const names = ['__proto__', 'constructor/prototype', '', ' ', '/', 'a//b', '/a', 'a/', 'room/{a}', 'room/a b', 'room/a\n', 'room/a\0', 'room/*', 'room/:id', 'room/?', 'room/[a]',
    'room/а', 'room/é', 'room/\ud800', '.', '..', 'room/..', 'room/.hidden', '$inbox/alice', 'a/'.repeat(16) + 'a', 'room/%2e%2e', 'room/a\\b']
  const peer = await Peer.owner(url)
  let id = 100
  for (const channel of names.filter((each) => each !== '')) {
    for (const type of ['subscribe', 'unsubscribe', 'history']) {
      const answer = await peer.ask({ type, id: ++id, channel, qos: 1 } as { id: number }, 'subscribed')
      t.match(answer, { type: 'error', code: /^PUSH_CHANNEL_(INVALID|UNKNOWN)$/ }, `${type} ${JSON.stringify(channel)}`)
    }
    peer.send({ type: 'publish', channel, qos: 1, publisher: secret(), sequence: 1, data: 1 })
    t.match(await peer.take('refused'), { code: /^PUSH_CHANNEL_(INVALID|UNKNOWN)$/ })
    await t.rejects(app.push.publish(channel, 1), { code: /^PUSH_CHANNEL_(INVALID|UNKNOWN)$/ })
  }
  const { welcome } = await Peer.welcomed(url, { subscriptions: [{ channel: '__proto__', qos: 1 }, { channel: 'toString', qos: 1 }] })
  t.match(welcome.subscriptions, [{ code: 'PUSH_CHANNEL_INVALID' }, { code: 'PUSH_CHANNEL_UNKNOWN' }])
  const began = process.hrtime.bigint()
  await t.rejects(app.push.publish('a'.repeat(100_000) + '!', 1), { code: 'PUSH_CHANNEL_INVALID' })
  await t.rejects(app.push.publish('a-.'.repeat(80) + '!', 1), { code: 'PUSH_CHANNEL_INVALID' })
  t.ok(process.hrtime.bigint() - began < 100_000_000n)
  await stillFine(t)
})

t.test('[P-9.1] unknown types are answered, unknown fields ignored', async (t) => {
  const peer = await Peer.owner(url)
  peer.send({ type: 'unheard-of', id: 7, channel: 'news' })
  t.match(await peer.take('error'), { id: 7, code: 'PUSH_BAD_FRAME' })
  for (const type of ['', '__proto__', 'toString', 'welcome', 'x'.repeat(5000)]) {
    peer.send({ type, id: 1.5 })
    t.equal((await peer.take('error')).id, undefined)
  }
  peer.send({ type: 'ping', surprise: { deep: [1] } })
  await peer.take('pong')
  const early = await Peer.open(url)
  early.send({ type: 'later-version' })
  t.match(await early.take('error'), { code: 'PUSH_BAD_FRAME' })
  await early.close()
  await stillFine(t)
})

t.test('[P-2.5] frames before the hello, a second hello', async (t) => {
  for (const frame of [{ type: 'ping' }, { type: 'subscribe', id: 1, channel: 'news', qos: 1 }, { type: 'publish', channel: 'room/1', qos: 0, data: 1 }, { type: 'ack', positions: [] }]) {
    const peer = await Peer.open(url)
    peer.send(frame)
    t.same(await peer.ended, { code: 4400, reason: 'PUSH_BAD_FRAME' }, frame.type)
  }
  for (const owner of [true, false]) {
    const peer = await Peer.open(url, { hello: { type: 'hello', session: secret() } })
    await peer.take('welcome')
    if (owner) await peer.barrier()
    peer.send({ type: 'hello', session: secret() })
    t.same(await peer.ended, { code: 4400, reason: 'PUSH_BAD_FRAME' })
  }
  await stillFine(t)
})

t.test('[P-4.7] acknowledgements that make no sense are ignored and counted', async (t) => {
  const peer = await Peer.owner(url, { subscriptions: [{ channel: 'room/acks', qos: 1 }] })
  const { position } = await app.push.publish('room/acks', 1)
  const { epoch, offset } = position as { epoch: string, offset: number }
  await peer.data(1)
  const before = app.push.stats().ignoredAcks
  const ack = (...positions: object[]) => peer.send({ type: 'ack', positions })
  ack({ channel: 'room/acks', epoch, offset: 2 }, { channel: 'room/acks', epoch, offset: Number.MAX_SAFE_INTEGER }, { channel: 'room/acks', epoch: 'foreign', offset: 1 })
  ack({ channel: 'news', epoch, offset: 1 }, { channel: '__proto__', epoch, offset: 1 })
  await peer.barrier()
  t.equal(app.push.stats().ignoredAcks - before, 5)
  for (let i = 0; i < 200; i++) ack(...Array(100).fill({ channel: 'room/acks', epoch, offset }))
  await peer.barrier()
  t.equal(app.push.stats().ignoredAcks - before, 5, 'a double acknowledgement is none of them')
  await stillFine(t)
})

t.test('[P-3.2] a forged position is told as lost, and gives nothing that is not the channel’s', async (t) => {
  await app.push.publish('room/forged', 'one')
  const forged = [{ epoch: 'foreign', offset: 0 }, { epoch: 'foreign', offset: Number.MAX_SAFE_INTEGER }]
  for (const position of forged) {
    const peer = await Peer.owner(url)
    t.match(await peer.subscribe('room/forged', { position }), { verdict: 'lost', gap: { reason: 'epoch', count: null } })
    t.same(await peer.data(1), ['one'])
  }
  const { epoch } = (await app.push.history('room/forged')).head
  const peer = await Peer.owner(url)
  t.match(await peer.subscribe('room/forged', { position: { epoch, offset: 2 ** 53 - 1 } }), { verdict: 'lost', gap: { reason: 'unverified' }, position: { offset: 1 } })
  t.match(await peer.ask({ type: 'history', id: 1, channel: 'room/forged', after: { epoch: 'foreign', offset: 1 } } as { id: number }, 'history'), { code: 'PUSH_INVALID' })
  await stillFine(t)
})

t.test('[P-5.8] more publishes than may be in flight', async (t) => {
  const peer = await Peer.owner(url)
  const publisher = secret()
  for (let sequence = 1; sequence <= 6; sequence++) peer.send({ type: 'publish', channel: 'room/1', qos: 1, publisher, sequence, data: sequence })
  const ending = await peer.ended
  t.ok(ending.code === 4429 || peer.frames.length > 0)
  await stillFine(t)
})

t.test('[P-3.4] more subscriptions than allowed, one by one, at once and in the hello', async (t) => {
  const channels = ['a', 'b', 'c', 'd', 'e'].map((id) => `room/${id}`)
  const peer = await Peer.owner(url)
  for (const channel of channels.slice(0, 3)) await peer.subscribe(channel)
  await t.rejects(peer.subscribe('room/d'), { code: 'PUSH_TOO_MANY' })
  await peer.subscribe('room/a', { qos: 2 })
  await peer.ask({ type: 'unsubscribe', id: 1, channel: 'room/a' } as { id: number }, 'unsubscribed')
  await peer.subscribe('room/d')
  const hasty = await Peer.owner(url)
  const results = await Promise.allSettled(channels.map((channel) => hasty.subscribe(channel)))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 3)
  const { welcome } = await Peer.welcomed(url, { subscriptions: channels.map((channel) => ({ channel, qos: 1 })) })
  t.equal(welcome.subscriptions.filter((each) => 'verdict' in each).length, 3)
  t.equal(welcome.subscriptions.filter((each) => 'code' in each && each.code === 'PUSH_TOO_MANY').length, 2)
  await stillFine(t)
})
