import { once } from 'node:events'
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { LISTEN, serve } from './serve.js'

const HOUR = 3_600_000

/** Options: `recovery`. Handlers: `publish` messages of the server's own; `connections`, how many there are. */
serve(async ({ recovery = false }) => {
  const server = createServer()
  const io = new Server(server, {
    transports: ['websocket'],
    perMessageDeflate: false,
    serveClient: false,
    pingInterval: HOUR,
    ...(recovery && { connectionStateRecovery: { maxDisconnectionDuration: HOUR, skipMiddlewares: true } })
  })

  io.on('connection', (socket) => {
    socket.on('join', (room, confirm) => {
      socket.join(room)
      confirm()
    })
    socket.on('publish', (room, data) => { io.to(room).emit('m', data) })
  })

  server.listen(LISTEN)
  await once(server, 'listening')
  return {
    port: server.address().port,
    handlers: {
      publish ({ channel, messages }) {
        for (const data of messages) io.to(channel).emit('m', data)
      },
      connections: () => io.engine.clientsCount
    }
  }
})
