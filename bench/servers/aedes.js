import { once } from 'node:events'
import { createServer } from 'node:http'
import { Aedes } from 'aedes'
import { WebSocketServer, createWebSocketStream } from 'ws'
import { LISTEN, serve } from './serve.js'

/** No options, no handlers. */
serve(async () => {
  const broker = await Aedes.createBroker({ concurrency: 10_000 })
  const server = createServer()
  const webSockets = new WebSocketServer({ server, perMessageDeflate: false })
  webSockets.on('connection', (socket, request) => broker.handle(createWebSocketStream(socket), request))
  server.listen(LISTEN)
  await once(server, 'listening')
  return { port: server.address().port }
})
