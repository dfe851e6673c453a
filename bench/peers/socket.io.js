import { SocketIoWire } from '../wires/socket.io.js'
import { startNodeServer, versionOf } from './node-server.js'

/** Rooms of Socket.IO, without compression. Options: `recovery`, its connection state recovery. */
export const socketIo = {
  title: 'rooms, WebSocket transport only',
  Wire: SocketIoWire,
  version: () => versionOf('socket.io'),
  start: (options) => startNodeServer('socket.io', options)
}
