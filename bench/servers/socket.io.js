import { once } from 'node:events'
import { createServer } from 'node:http'
import { createAdapter as pubSubAdapter } from '@socket.io/redis-adapter'
import { createAdapter as streamsAdapter } from '@socket.io/redis-streams-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { LISTEN, serve } from './serve.js'
import { Turns } from './turns.js'

const HOUR = 3_600_000

/**
 * Options: `recovery`; `redis`, the port of a Redis that nodes share, and `adapter`, `pubsub` or `streams`; `pipelined`, ioredis' automatic pipelining; `channel`, to publish to in turns.
 * Handlers: `publish` messages of the server's own; `connections`, how many there are; those of turns.js.
 */
serve(async ({ recovery = false, redis, adapter, pipelined = false, channel }) => {
  const server = createServer()
  const sharing = redis === undefined ? null : sharedBy(redis, adapter, pipelined)
  const io = new Server(server, {
    transports: ['websocket'],
    perMessageDeflate: false,
    serveClient: false,
    pingInterval: HOUR,
    ...(sharing !== null && { adapter: sharing.adapter }),
    ...(recovery && { connectionStateRecovery: { maxDisconnectionDuration: HOUR, skipMiddlewares: true } })
  })

  io.on('connection', (socket) => {
    socket.on('join', (room, confirm) => {
      socket.join(room)
      confirm()
    })
    socket.on('publish', (room, data) => { io.to(room).emit('m', data) })
  })

  const turns = new Turns((data) => {
    io.to(channel).emit('m', data)
    return sharing.answer()
  })

  server.listen(LISTEN)
  await once(server, 'listening')
  return {
    port: server.address().port,
    handlers: {
      publish ({ channel, messages }) {
        for (const data of messages) io.to(channel).emit('m', data)
      },
      connections: () => io.engine.clientsCount,
      ...turns.handlers
    }
  }
})

// An adapter, and Redis' answer to what it sent last: `emit` itself does not say when a message has reached Redis.
function sharedBy (port, kind, pipelined) {
  const client = new Redis({ port, enableAutoPipelining: pipelined })
  const command = kind === 'streams' ? 'xadd' : 'publish'
  const send = client[command]
  let answer
  client[command] = function (...args) {
    answer = send.apply(this, args)
    return answer
  }
  const adapter = kind === 'streams' ? streamsAdapter(client) : pubSubAdapter(client, client.duplicate())
  return { adapter, answer: () => answer }
}
