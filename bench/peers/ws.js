import { PlainWire } from '../wires/plain.js'
import { startNodeServer, versionOf } from './node-server.js'

/** What one writes by hand: @fastify/websocket, a set of sockets for each channel, and a loop that sends. Options: `deflate`. */
export const ws = {
  title: 'a loop of `send` on @fastify/websocket',
  Wire: PlainWire,
  version: () => `${versionOf('ws')}, @fastify/websocket ${versionOf('@fastify/websocket')}`,
  start: (options) => startNodeServer('ws', options)
}
