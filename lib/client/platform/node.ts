import { randomBytes } from 'node:crypto'
import WebSocket from 'ws'
import { systemClock } from '../../core/clock.js'
import type { ClientSocket, Platform, SocketEvents } from './platform.js'

/** Node, by the `ws` package: it can drop a socket without waiting, which Node's own WebSocket cannot. */
export function nodePlatform (): Platform {
  return {
    name: 'node',
    clock: systemClock,
    random: Math.random,
    secret: () => randomBytes(16).toString('base64url'),
    connect,
    watch: () => () => {} // a process hears nothing of its network
  }
}

function connect (url: string, protocols: readonly string[], events: SocketEvents): ClientSocket {
  const socket = new WebSocket(url, [...protocols], { perMessageDeflate: false })
  let isOver = false
  socket.on('error', () => {}) // the close event that follows tells all; without a listener it would end the process
  socket.on('open', () => { if (!isOver) events.open(socket.protocol) })
  socket.on('message', (data, isBinary) => { if (!isOver && !isBinary) events.message(String(data)) })
  socket.on('close', (code, reason) => {
    if (isOver) return
    isOver = true
    events.close(code, reason.toString())
  })
  return {
    send: (text) => { if (socket.readyState === WebSocket.OPEN) socket.send(text) },
    buffered: () => socket.bufferedAmount,
    close: (code, reason) => socket.close(code, reason),
    abandon: () => {
      isOver = true
      socket.terminate()
    }
  }
}
