import type { AddressInfo } from 'node:net'
import fastifyPush, { type FastifyPushOptions } from '../../lib/index.js'
import { makeHost } from './app.js'
import type { Usage } from './server-process.js'

// A server in a process of its own: see startServer.

const { app, log } = makeHost()
await app.register(fastifyPush, {
  channels: { 'room/:id': { history: true, clientPublish: true }, 'quiet/:id': { clientPublish: true }, news: {} },
  ...JSON.parse(process.argv[2] ?? '{}') as FastifyPushOptions
})
await app.listen({ host: '127.0.0.1', port: 0 })

process.on('message', () => {
  globalThis.gc?.()
  const usage: Usage = { rss: process.memoryUsage.rss(), stats: app.push.stats(), warnings: log.filter(({ level }) => level >= 40) }
  process.send?.(usage)
})
process.on('disconnect', () => process.exit())
process.send?.((app.server.address() as AddressInfo).port)
