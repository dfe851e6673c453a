import { answerCalls } from '../processes/remote.js'
import { rssOf } from '../processes/usage.js'

/** What every server listens with: connections that come at once wait in line instead of being refused. */
export const LISTEN = { port: 0, host: '127.0.0.1', backlog: 4096 }

/**
 * Makes this process a server that the benchmark can ask.
 * @param {(options: object) => Promise<{ port: number, handlers?: Record<string, (argument: any) => unknown> }>} start
 */
export function serve (start) {
  let added = {}
  answerCalls({
    async listen (options) {
      const { port, handlers = {} } = await start(options)
      added = handlers
      return port
    },
    /** Collects garbage, and returns the memory of this process, in bytes. */
    async memory () {
      for (let i = 0; i < 3; i++) {
        globalThis.gc()
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      return rssOf(process.pid)
    },
    do: ({ what, argument }) => added[what](argument)
  })
}
