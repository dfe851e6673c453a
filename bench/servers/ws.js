import websocket from '@fastify/websocket'
import fastify from 'fastify'
import { LISTEN, serve } from './serve.js'

const DEFLATE = { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 }

/** Options: `deflate`. Handlers: `publish` messages of the server's own; `connections`, how many there are. */
serve(async ({ deflate = false }) => {
  const app = fastify()
  await app.register(websocket, { options: { perMessageDeflate: deflate ? DEFLATE : false } })
  const channels = new Map()

  function send (channel, text) {
    for (const socket of channels.get(channel)) socket.send(text)
  }

  app.get('/', { websocket: true }, (socket, request) => {
    const { channel } = request.query
    if (channel !== undefined) {
      const sockets = channels.get(channel) ?? new Set()
      channels.set(channel, sockets.add(socket))
      socket.on('close', () => sockets.delete(socket))
      socket.send('{"type":"subscribed"}')
    }
    socket.on('message', (message) => {
      const text = message.toString()
      send(JSON.parse(text).channel, text)
    })
  })

  await app.listen(LISTEN)
  return {
    port: app.server.address().port,
    handlers: {
      publish ({ channel, messages }) {
        for (const data of messages) send(channel, JSON.stringify({ type: 'publish', channel, data }))
      },
      connections: () => app.websocketServer.clients.size
    }
  }
})
