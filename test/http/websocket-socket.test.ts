import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import t from 'tap'
import type { WebSocket } from 'ws'
import type { Connection } from '../../lib/connection/connection.js'
import { WebSocketSocket } from '../../lib/http/websocket-socket.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'

const unexpected = (error: unknown) => { t.fail(String(error)) }

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
  write (bytes: Uint8Array): void {
    this.writableLength += bytes.byteLength
  }
}

function make () {
  const webSocket = new FakeWebSocket()
  const stream = new FakeStream()
  const clock = new ManualClock()
  const socket = new WebSocketSocket(webSocket as unknown as WebSocket, stream as unknown as Duplex, clock, { bufferedBytes: 10, closeGrace: 2000 })
  return { webSocket, stream, clock, socket }
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
    const { socket, webSocket, clock } = make()
    socket.attach({ closed: () => {} } as Connection, { onError: unexpected, onSocketError: () => {} })
    if (begin === 'close') socket.close(1012, 'PUSH_GOING_AWAY')
    else webSocket.emit('error', new Error('Invalid WebSocket frame'))
    clock.advance(1999)
    t.equal(webSocket.terminated, 0)
    clock.advance(1)
    t.equal(webSocket.terminated, 1)
  }
})

t.test('nothing waits once it has closed', async (t) => {
  const { socket, webSocket, clock } = make()
  let closed = 0
  socket.attach({ closed: () => { closed++ } } as Connection, { onError: unexpected, onSocketError: unexpected })
  socket.close(1000, '')
  webSocket.emit('close')
  t.equal(closed, 1)
  t.equal(clock.pending, 0)
})

t.test('every listener is guarded: a throw drops this socket and is reported', async (t) => {
  const thrown = new Error('a bug')
  const fails = () => { throw thrown }
  const connection = { receive: fails, receiveBinary: fails, closed: fails, drained: fails } as unknown as Connection
  const { socket, webSocket, stream } = make()
  const reported: unknown[] = []
  socket.attach(connection, { onError: (error) => { reported.push(error) }, onSocketError: fails })
  webSocket.emit('message', Buffer.from('{}'), false)
  webSocket.emit('message', Buffer.from('{}'), true)
  webSocket.emit('error', new Error('reset'))
  webSocket.emit('close')
  stream.emit('drain')
  t.same(reported, Array(5).fill(thrown))
  t.equal(webSocket.terminated, 5)
})
