import type { Server } from 'node:http'
import { Writable } from 'node:stream'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyHttpOptions, type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import fastifyPush, { type FastifyPushOptions } from '../../lib/index.js'

/** A line of the host's log. */
export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

export interface TestApp {
  readonly app: FastifyInstance
  readonly port: number
  /** Of the WebSocket route. */
  readonly url: string
  readonly log: readonly LogLine[]
}

/** What a host may choose for itself. */
export type HostOptions = Omit<FastifyHttpOptions<Server>, 'logger' | 'loggerInstance'>

/** A host whose log is kept. */
export function makeHost (options: HostOptions = {}): { app: FastifyInstance, log: LogLine[] } {
  const log: LogLine[] = []
  const stream = new Writable({
    write (chunk: Buffer, _encoding, done) {
      log.push(JSON.parse(String(chunk)) as LogLine)
      done()
    }
  })
  return { app: Fastify({ ...options, logger: { level: 'debug', stream } }), log }
}

/** Listens on a loopback port; closes at the end of the test. */
export async function listen (t: Test, app: FastifyInstance): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  return (app.server.address() as AddressInfo).port
}

/**
 * A host with the plugin and the channels `room/:id` (clients publish, history), `quiet/:id` (clients publish, no history) and
 * `news` (the server publishes), on a loopback port. Closed at the end of the test.
 */
export async function startApp (t: Test, options: FastifyPushOptions = {}, prepare: (app: FastifyInstance) => unknown = () => {}, host: HostOptions = {}): Promise<TestApp> {
  const { app, log } = makeHost(host)
  await prepare(app)
  await app.register(fastifyPush, {
    channels: {
      'room/:id': { history: true, clientPublish: true },
      'quiet/:id': { clientPublish: true },
      news: {}
    },
    ...options
  })
  const port = await listen(t, app)
  return { app, port, log, url: `ws://127.0.0.1:${port}${options.prefix ?? ''}${options.path ?? '/push'}` }
}

/** The process outlived whatever was done to it, and its objects are as they were. */
export function assertUnharmed (t: Test, log: readonly LogLine[]): void {
  t.equal((({}) as { x?: unknown }).x, undefined, 'no prototype was touched')
  t.same(log.filter(({ level }) => level >= 50), [], 'nothing was logged as an error')
}
