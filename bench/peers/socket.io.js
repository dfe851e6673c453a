import { SocketIoWire } from '../wires/socket.io.js'
import { startNodeServer, versionOf } from './node-server.js'

/** Rooms of Socket.IO, without compression. Options: `recovery`, its connection state recovery; `redis` and `adapter`, for several nodes. */
export const socketIo = {
  title: 'rooms, WebSocket transport only',
  Wire: SocketIoWire,
  version: () => `${versionOf('socket.io')}, redis-adapter ${versionOf('@socket.io/redis-adapter')}, redis-streams-adapter ${versionOf('@socket.io/redis-streams-adapter')}`,
  start: (options, core) => startNodeServer('socket.io', options, core)
}
