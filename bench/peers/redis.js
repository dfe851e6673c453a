import { Redis } from 'ioredis'
import { LOAD_CORE } from '../processes/children.js'
import { sayVersion, startNativeServer } from './native-server.js'

const PROGRAM = '/usr/bin/redis-server'

/** What nodes share: a Redis of a contestant's own, nothing on disk. It runs beside the load generator. */
export const redis = {
  version: () => sayVersion(PROGRAM, '--version', /v=(\S+)/),
  /** @returns {Promise<RedisServer>} */
  async start () {
    const server = await startNativeServer(PROGRAM, configuration, ({ file }) => [file], LOAD_CORE)
    const client = new Redis({ port: server.port, lazyConnect: true })
    client.on('error', () => {})
    return {
      port: server.port,
      pid: server.pid,
      commands: async () => commandsOf(await client.info('commandstats'), await client.info('stats')),
      async stop () {
        client.disconnect()
        await server.stop()
      }
    }
  }
}

// Whoever reads slowly is not cut off: what it has still to get belongs to the measured time.
const configuration = ({ port, folder }) => `
bind 127.0.0.1
port ${port}
dir ${folder}
save ""
appendonly no
tcp-backlog 4096
maxclients 1000
client-output-buffer-limit pubsub 0 0 0
loglevel warning
`

// Calls by command, those of scripts as well, and how many there were of all.
function commandsOf (byCommand, stats) {
  const calls = Object.fromEntries([...byCommand.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(([, name, count]) => [name, Number(count)]))
  return { total: Number(/total_commands_processed:(\d+)/.exec(stats)[1]), calls }
}

/**
 * @typedef {object} RedisServer
 * @property {number} port
 * @property {number} pid
 * @property {() => Promise<{ total: number, calls: Record<string, number> }>} commands it has done until now
 * @property {() => Promise<void>} stop
 */
