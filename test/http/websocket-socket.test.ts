import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import t from 'tap'
import type { WebSocket } from 'ws'
import type { Connection } from '../../lib/connection/connection.js'
import { listen } from '../../lib/http/listeners.js'
import { WebSocketSocket } from '../../lib/http/websocket-socket.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'

const unexpected = (fields: object) => { t.fail(JSON.stringify(fields)) }

class FakeWebSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  closings: [number, string][] = []
  terminated = 0

  close (code: number, reason: string): void {
    this.closings.push([code, reason])
    this.readyState = 2
  }

  terminate (): void {
    this.terminated++
  }
}

class FakeStream extends EventEmitter {
  writableLength = 0
  paused = 0
  pause (): void {
    this.paused++
  }

  write (bytes: Uint8Array): void {
    this.writableLength += bytes.byteLength
  }
}

function make () {
  const webSocket = new FakeWebSocket()
  const stream = new FakeStream()
  const clock = new ManualClock()
  const socket = new WebSocketSocket(webSocket as unknown as WebSocket, stream as unknown as Duplex, clock, { bufferedBytes: 10, closeGrace: 2000 })
  const attach = (connection: object, log = { debug: unexpected, error: unexpected }) =>
    listen(webSocket as unknown as WebSocket, stream as unknown as Duplex, socket, connection as Connection, log)
  return { webSocket, stream, clock, socket, attach }
}

t.test('write says whether there is room, and writes nothing once closing', async (t) => {
  const { socket, stream, webSocket } = make()
  t.equal(socket.write(Buffer.alloc(9)), true)
  t.equal(socket.write(Buffer.alloc(1)), false)
  t.equal(socket.buffered, 10)
  webSocket.readyState = 2
  t.equal(socket.write(Buffer.alloc(9)), false)
  t.equal(stream.writableLength, 10)
})

t.test('a closing handshake is bounded, whoever began it', async (t) => {
  for (const begin of ['close', 'error'] as const) {
    const { socket, webSocket, clock, attach } = make()
    attach({ closed: () => {} }, { debug: () => {}, error: unexpected })
    if (begin === 'close') socket.close(1012, 'PUSH_GOING_AWAY')
    else webSocket.emit('error', new Error('Invalid WebSocket frame'))
    clock.advance(1999)
    t.equal(webSocket.terminated, 0)
    clock.advance(1)
    t.equal(webSocket.terminated, 1)
  }
})

t.test('nothing waits once it has closed', async (t) => {
  const { socket, webSocket, clock, attach } = make()
  let closed = 0
  attach({ closed: () => { closed++ } })
  socket.close(1000, '')
  webSocket.emit('close')
  t.equal(closed, 1)
  t.equal(clock.pending, 0)
})

t.test('every listener is guarded: a throw drops this socket and is reported', async (t) => {
  const thrown = new Error('a bug')
  const fails = () => { throw thrown }
  const connection = { came: () => {}, receive: fails, receiveBinary: fails, receiveControl: fails, closed: fails, drained: fails }
  const { webSocket, stream, attach } = make()
  const reported: unknown[] = []
  attach(connection, { debug: fails, error: (fields) => { reported.push((fields as { err: unknown }).err) } })
  webSocket.emit('message', Buffer.from('{}'), false)
  webSocket.emit('message', Buffer.from('{}'), true)
  webSocket.emit('ping', Buffer.alloc(0))
  webSocket.emit('pong', Buffer.alloc(0))
  webSocket.emit('error', new Error('reset'))
  webSocket.emit('close')
  stream.emit('drain')
  t.same(reported, Array(7).fill(thrown))
  t.equal(webSocket.terminated, 7)
})
