import t, { type Test } from 'tap'
import { createClient } from '../../lib/client/index.js'
import { browserPlatform } from '../../lib/client/platform/browser.js'
import { base64url, utf8Length } from '../../lib/client/encoding.js'
import { mayFollow } from '../../lib/client/states.js'
import type { ClientSocket, Evidence } from '../../lib/client/platform/platform.js'

class FakeWebSocket {
  static readonly OPEN = 1
  static last: FakeWebSocket
  readyState = 0
  bufferedAmount = 5
  protocol = 'chosen'
  readonly log: unknown[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number, reason: string }) => void) | null = null

  constructor (...args: unknown[]) {
    this.log.push(args)
    FakeWebSocket.last = this
  }

  send (text: string) { this.log.push(text) }
  close (...args: unknown[]) { this.log.push(args) }
}

function fakePage (t: Test): { document: EventTarget & { visibilityState: string }, page: EventTarget } {
  const page = new EventTarget()
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  t.intercept(globalThis, 'WebSocket' as never, { value: FakeWebSocket, configurable: true, writable: true })
  t.intercept(globalThis, 'document' as never, { value: document, configurable: true, writable: true })
  for (const name of ['addEventListener', 'removeEventListener'] as const) {
    t.intercept(globalThis, name as never, { value: page[name].bind(page), configurable: true, writable: true })
  }
  return { document, page }
}

t.test('browser: what the page and the network tell', (t) => {
  const { document, page } = fakePage(t)
  const seen: Evidence[] = []
  const release = browserPlatform().watch((evidence) => seen.push(evidence))
  const events = () => {
    page.dispatchEvent(new Event('offline'))
    page.dispatchEvent(new Event('online'))
    page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }))
    page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
    page.dispatchEvent(new Event('pagehide'))
    document.dispatchEvent(new Event('visibilitychange'))
    document.visibilityState = 'hidden'
    document.dispatchEvent(new Event('visibilitychange'))
    document.dispatchEvent(new Event('freeze'))
    document.dispatchEvent(new Event('resume'))
  }
  events()
  t.same(seen, ['offline', 'online', 'resumed', 'hiding', 'visible', 'hidden', 'hiding', 'resumed'])
  release()
  events()
  t.equal(seen.length, 8)
  t.end()
})

t.test('browser: a worker has no document', (t) => {
  browserPlatform().watch(() => {})()
  t.end()
})

t.test('browser: the socket', (t) => {
  fakePage(t)
  const told: unknown[] = []
  const platform = browserPlatform()
  const connect = (): ClientSocket => platform.connect('ws://x', ['a', 'b'], {
    open: (protocol) => told.push(['open', protocol]), message: (text) => told.push(text), close: (...args) => told.push(args)
  })
  const socket = connect()
  const { last } = FakeWebSocket
  socket.send('too early')
  last.readyState = FakeWebSocket.OPEN
  last.onopen?.()
  last.onmessage?.({ data: 'text' })
  last.onmessage?.({ data: new ArrayBuffer(1) })
  socket.send('hi')
  socket.close(1000, 'bye')
  last.onclose?.({ code: 1000, reason: 'bye' })
  t.same(last.log, [['ws://x', ['a', 'b']], 'hi', [1000, 'bye']])
  t.same(told, [['open', 'chosen'], 'text', [1000, 'bye']])
  t.equal(socket.buffered(), 5)
  connect().abandon()
  t.same([FakeWebSocket.last.onopen, FakeWebSocket.last.onclose, FakeWebSocket.last.log.length], [null, null, 2])
  t.match(platform.secret(), /^[\w-]{32}$/)
  t.not(platform.secret(), platform.secret())
  t.end()
})

t.test('browser: createClient', async (t) => {
  fakePage(t)
  const client = createClient('ws://x')
  await Promise.resolve()
  t.equal(client.state, 'connecting')
  await client.close({ timeout: 0 })
  t.equal(client.state, 'closed')
})

t.test('encoding', (t) => {
  for (const text of ['', 'a', 'ab', 'abc', 'grüß', '日本', '😀x', '%41%', '\u07ff\u0800\uffff']) {
    t.equal(base64url(text), Buffer.from(text).toString('base64url'), text)
    t.equal(utf8Length(text), Buffer.byteLength(text), text)
  }
  t.end()
})

t.test('states: closed is final, live follows connecting alone', (t) => {
  const states = ['idle', 'connecting', 'live', 'waiting', 'offline', 'closed'] as const
  t.same(states.filter((state) => mayFollow(state, 'live')), ['connecting'])
  t.same(states.filter((state) => mayFollow('closed', state)), [])
  t.end()
})
