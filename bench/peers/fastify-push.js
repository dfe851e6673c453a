import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FastifyPushWire } from '../wires/fastify-push.js'
import { startNodeServer } from './node-server.js'

const TOP = fileURLToPath(new URL('../../', import.meta.url))

/**
 * The plugin in a host of its own, with limits that are not met. Options: `dist`, where it was built; `storageAlone`, its Redis storage without the plugin; see servers/fastify-push.js
 * for the others.
 */
export const fastifyPush = {
  title: 'this plugin',
  Wire: FastifyPushWire,
  version: () => JSON.parse(readFileSync(resolve(TOP, 'package.json'), 'utf8')).version,
  start: ({ dist = resolve(TOP, 'dist'), storageAlone = false, ...options }, core) => startNodeServer(storageAlone ? 'storage' : 'fastify-push', { dist, ...options }, core)
}
