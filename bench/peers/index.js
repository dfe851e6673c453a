import { aedes } from './aedes.js'
import { fastifyPush } from './fastify-push.js'
import { ioredis } from './ioredis.js'
import { mosquitto } from './mosquitto.js'
import { nchan } from './nchan.js'
import { socketIo } from './socket.io.js'
import { ws } from './ws.js'

/**
 * What is measured. @type {Record<string, Peer>}
 *
 * @typedef {object} Peer
 * @property {string} title what it is, for the reader
 * @property {typeof import('../wires/wire.js').Wire | null} Wire how a client speaks with it
 * @property {() => string | null} version `null`: not installed
 * @property {(options: object, core?: number) => Promise<Server>} start
 *
 * @typedef {object} Server
 * @property {number} port
 * @property {number} pid the process whose CPU time counts
 * @property {(name: string, argument?: unknown) => Promise<any>} call asks the server for something; see servers/
 * @property {() => Promise<void>} stop
 * @property {() => Promise<void>} [kill] without a word
 */
export const peers = { 'fastify-push': fastifyPush, ws, 'socket.io': socketIo, aedes, mosquitto, nchan, ioredis }
