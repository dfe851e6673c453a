import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { constants, deflateRawSync } from 'node:zlib'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { extensionOf, isNegotiated, takesDeflated, type Decompress } from '../../lib/http/permessage-deflate.js'
import { SharedInflate } from '../../lib/http/shared-inflate.js'

const LIMIT = 1000
const unexpected = () => { t.fail('unexpected') }
const deflated = (data: Uint8Array | string) => deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)

/** What is used of a WebSocket here. */
class FakeWebSocket {
  readonly extensions = 'permessage-deflate'
  readonly closings: number[] = []
  _extensions: unknown
  constructor (extension: unknown = { decompress: unexpected, params: { client_no_context_takeover: true } }) {
    this._extensions = { 'permessage-deflate': extension }
  }

  close (code: number): void {
    this.closings.push(code)
  }

  get as (): WebSocket {
    return this as unknown as WebSocket
  }
}

interface Result {
  readonly error: Error | null
  readonly inflated: string
}

function setUp () {
  const webSocket = new FakeWebSocket()
  new SharedInflate({ frameBytes: LIMIT, onUnexpected: unexpected }).takeOver(webSocket.as)
  const decompress = (extensionOf(webSocket.as) as { decompress: Decompress }).decompress
  const give = (data: Buffer, fin = true) => new Promise<Result>((resolve, reject) => {
    let returned = false
    decompress(data, fin, (error, inflated) => {
      if (returned) resolve({ error, inflated: String(inflated) })
      else reject(new Error('called back at once'))
    })
    returned = true
  })
  return { webSocket, give }
}

t.test('whole messages, and such in fragments', async (t) => {
  const { give, webSocket } = setUp()
  t.same(await give(deflated('one')), { error: null, inflated: 'one' })
  const bytes = deflated('in '.repeat(100))
  const reused = Buffer.from(bytes)
  t.same(await give(reused.subarray(0, 3), false), { error: null, inflated: '' })
  reused.fill(0, 0, 3) // a fragment is a view into what was read
  t.same(await give(Buffer.alloc(0), false), { error: null, inflated: '' })
  t.same(await give(bytes.subarray(3, 5), false), { error: null, inflated: '' })
  t.same(await give(bytes.subarray(5)), { error: null, inflated: 'in '.repeat(100) })
  t.same(await give(deflated('next')), { error: null, inflated: 'next' })
  t.same(await give(Buffer.from([0])), { error: null, inflated: '' }, 'an empty one (RFC 7692, 7.2.3.6)')
  t.same(await give(Buffer.from('f348cdc9c90700' + '00', 'hex')), { error: null, inflated: 'Hello' }, 'a block that says it is the last (7.2.3.4)')
  t.same(await give(Buffer.from('000500faff48656c6c6f00', 'hex')), { error: null, inflated: 'Hello' }, 'not compressed at all (7.2.3.3)')
  t.same(webSocket.closings, [])
})

t.test('what is too large ends with 1009, what is corrupt with 1007', async (t) => {
  t.test('exactly the limit is not too large', async (t) => {
    t.equal((await setUp().give(deflated(Buffer.alloc(LIMIT, 'x')))).inflated.length, LIMIT)
  })
  const cases: [string, Buffer, number][] = [
    ['inflates to one byte more', deflated(Buffer.alloc(LIMIT + 1)), 1009],
    ['inflates to much more', deflated(Buffer.alloc(900_000)), 1009],
    ['compressed, it is more', Buffer.concat(Array(300).fill(Buffer.from('000000ffff', 'hex'))), 1009],
    ['an invalid block type', Buffer.from([0xff, 0xff, 0xff]), 1007],
    ['a reference to what came before', Buffer.from([0x02, 0xf0, 0xff]), 1007]
  ]
  for (const [name, bytes, code] of cases) {
    t.test(name, async (t) => {
      const { give, webSocket } = setUp()
      t.ok((await give(bytes)).error)
      t.same(webSocket.closings, [code])
    })
  }
  t.test('fragments that are never finished', async (t) => {
    const { give, webSocket } = setUp()
    for (let i = 0; i < 10; i++) t.equal((await give(Buffer.alloc(100), false)).error, null)
    t.ok((await give(Buffer.alloc(1), false)).error)
    t.same(webSocket.closings, [1009])
  })
})

t.test('many messages leave others their turn', async (t) => {
  const { give } = setUp()
  const bytes = deflated('{}')
  let taken = 0
  const turn = new Promise<number>((resolve) => { setImmediate(() => resolve(taken)) })
  for (let i = 0; i < 2000; i++, taken++) await give(bytes)
  t.ok(await turn < 200, 'something else came soon')
})

t.test('a client that may refer to earlier messages is left to ws', async (t) => {
  const decompress = () => {}
  const webSocket = new FakeWebSocket({ decompress, params: {} })
  new SharedInflate({ frameBytes: LIMIT, onUnexpected: unexpected }).takeOver(webSocket.as)
  t.equal(extensionOf(webSocket.as)?.decompress, decompress)
})

t.test('a ws that is made otherwise inflates by itself, and that is said once', async (t) => {
  const others = [undefined, null, {}, { params: {} }, { decompress: unexpected }, { decompress: unexpected, params: null }, { decompress: 1, params: {} }]
  let said = 0
  const inflate = new SharedInflate({ frameBytes: LIMIT, onUnexpected: () => { said++ } })
  for (const extension of others) {
    const webSocket = new FakeWebSocket()
    webSocket._extensions = { 'permessage-deflate': extension }
    inflate.takeOver(webSocket.as)
    t.equal(takesDeflated(webSocket.as), false)
    webSocket._extensions = extension
    inflate.takeOver(webSocket.as)
    t.equal(takesDeflated(webSocket.as), false)
  }
  t.equal(said, 1)
  inflate.takeOver({ extensions: '' } as WebSocket)
  t.equal(said, 1, 'not negotiated is nothing to speak of')
})

t.test('the ws that is installed is made as expected', async (t) => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: { clientNoContextTakeover: true } })
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const [[webSocket]] = await Promise.all([once(server, 'connection'), once(client, 'open')]) as [[WebSocket], unknown]
  t.teardown(() => client.terminate())
  t.equal(isNegotiated(webSocket), true)
  t.match(extensionOf(webSocket), { params: { client_no_context_takeover: true }, decompress: Function })
  t.equal(takesDeflated(webSocket), true)
  const receiver = (webSocket as unknown as { _receiver: { _extensions: Record<string, unknown> } })._receiver
  t.equal(receiver._extensions['permessage-deflate'], extensionOf(webSocket), 'it is what ws inflates by')
})
