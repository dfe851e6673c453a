import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FastifyPushWire } from '../wires/fastify-push.js'
import { startNodeServer } from './node-server.js'

const TOP = fileURLToPath(new URL('../../', import.meta.url))

/** The plugin in a host of its own, with limits that are not met. Options: `dist`, where it was built; see servers/fastify-push.js for the others. */
export const fastifyPush = {
  title: 'this plugin',
  Wire: FastifyPushWire,
  version: () => JSON.parse(readFileSync(resolve(TOP, 'package.json'), 'utf8')).version,
  start: ({ dist = resolve(TOP, 'dist'), ...options }) => startNodeServer('fastify-push', { dist, ...options })
}
