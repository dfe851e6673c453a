import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { findProgram } from './debian.js'
import { freePort } from './free-port.js'
import { TcpProxy } from './tcp-proxy.js'

const findServer = (): string => findProgram({ by: 'The tests of the Redis storage', package: 'redis-server', places: ['/usr/bin/redis-server', '/usr/local/bin/redis-server'], variable: 'REDIS_SERVER' })

/** A replica does not wait for others before it gets its copy. */
const AT_ONCE = ['--repl-diskless-sync-delay', '0']

/** A redis-server of the test's own, on loopback, with its data in a folder that is removed at the end. */
export class RedisServer {
  readonly port: number
  readonly #folder: string
  readonly #args: readonly string[]
  #child: ChildProcess | null = null

  private constructor (port: number, folder: string, args: readonly string[]) {
    this.port = port
    this.#folder = folder
    this.#args = args
  }

  /** `args`: of redis-server, as `--appendonly yes`. Nothing is kept on disk unless they say so. */
  static async start (...args: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), mkdtempSync(join(tmpdir(), 'push-redis-')), args)
    await server.start()
    return server
  }

  /** A sentinel with these lines of configuration. */
  static async startSentinel (lines: readonly string[]): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'push-sentinel-'))
    const file = join(folder, 'sentinel.conf')
    writeFileSync(file, lines.join('\n'))
    const server = new RedisServer(await freePort(), folder, [file])
    await server.start('--sentinel')
    return server
  }

  async start (kind: 'server' | '--sentinel' = 'server'): Promise<void> {
    const listen = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder, '--loglevel', 'warning']
    const args = kind === '--sentinel' ? [...this.#args, ...listen, kind] : [...listen, '--save', '', ...this.#args]
    this.#child = spawn(findServer(), args, { stdio: 'ignore' })
    await untilListening(this.port)
  }

  /** Sends a signal, as `SIGSTOP`. */
  signal (signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Kills it without a word. */
  async kill (): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null) return
    const exited = new Promise((resolve) => { child.once('exit', resolve) })
    child.kill('SIGKILL')
    await exited
  }

  async stop (): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Six nodes of a Cluster, of which three are masters, each with its replica. No master is replaced, however slow the machine, before `watch` is called. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[]

  private constructor (nodes: readonly RedisServer[]) {
    this.nodes = nodes
  }

  /** `args`: of each redis-server. */
  static async start (...args: string[]): Promise<RedisCluster> {
    const nodes = await Promise.all(Array.from({ length: 6 }, () => RedisServer.start('--cluster-enabled', 'yes', ...AT_ONCE, ...args)))
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
    await run(join(dirname(findServer()), 'redis-cli'), ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'])
    for (const { port } of nodes) await untilSaid(port, ['CLUSTER', 'INFO'], /cluster_state:ok[^]*cluster_known_nodes:6/)
    // A replica that has nothing yet never takes over.
    for (const { port } of nodes) await untilSaid(port, ['INFO', 'replication'], /role:master[^]*connected_slaves:1|master_link_status:up/)
    return new RedisCluster(nodes)
  }

  /** From now on a master that is away for a second and a half is replaced by its replica. */
  async watch (): Promise<void> {
    for (const { port } of this.nodes) await say(port, ['CONFIG', 'SET', 'cluster-node-timeout', '1500'])
  }

  /** Moves so many slots of a master, the first ones, to another. */
  async reshard (from: RedisServer, to: RedisServer, slots: number): Promise<void> {
    const [source, target] = await Promise.all([from, to].map(async ({ port }) => (await say(port, ['CLUSTER', 'MYID'])).trim()))
    const how = ['--cluster-from', `${source}`, '--cluster-to', `${target}`, '--cluster-slots', String(slots), '--cluster-yes']
    await run(join(dirname(findServer()), 'redis-cli'), ['--cluster', 'reshard', `127.0.0.1:${from.port}`, ...how], { maxBuffer: 64 * 1024 * 1024 })
  }

  get addresses (): Array<{ host: string, port: number }> {
    return this.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  async stop (): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }
}

/** A master, its replica, and three sentinels that know each other. The master is not replaced, however slow the machine, before `watch` is called. */
export class RedisSentinels {
  readonly name = 'push'
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly sentinels: readonly RedisServer[]
  /** What the replica and the sentinels know as the master: what it does to connections parts them from it. */
  readonly link: TcpProxy

  private constructor (parts: Pick<RedisSentinels, 'master' | 'replica' | 'sentinels' | 'link'>) {
    this.master = parts.master
    this.replica = parts.replica
    this.sentinels = parts.sentinels
    this.link = parts.link
  }

  /** `args`: of the master and the replica. */
  static async start (...args: string[]): Promise<RedisSentinels> {
    const master = await RedisServer.start(...AT_ONCE, ...args)
    const link = await TcpProxy.start(master.port)
    const replica = await RedisServer.start('--replicaof', `127.0.0.1 ${link.port}`, ...AT_ONCE, ...args)
    await untilSaid(replica.port, ['INFO', 'replication'], /master_link_status:up/)
    const lines = [`sentinel monitor push 127.0.0.1 ${link.port} 2`, 'sentinel failover-timeout push 5000']
    const sentinels = await Promise.all(Array.from({ length: 3 }, () => RedisServer.startSentinel(lines)))
    for (const { port } of sentinels) await untilSaid(port, ['SENTINEL', 'MASTER', 'push'], /num-slaves\n1\nnum-other-sentinels\n2/)
    return new RedisSentinels({ master, replica, sentinels, link })
  }

  /** From now on a master that is away for 700 ms is replaced by its replica. */
  async watch (): Promise<void> {
    for (const { port } of this.sentinels) await say(port, ['SENTINEL', 'SET', 'push', 'down-after-milliseconds', '700'])
  }

  /** For a client that speaks with the first master past the link. */
  get natMap (): Record<string, { host: string, port: number }> {
    return { [`127.0.0.1:${this.link.port}`]: { host: '127.0.0.1', port: this.master.port } }
  }

  get addresses (): Array<{ host: string, port: number }> {
    return this.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  async stop (): Promise<void> {
    await Promise.all([...this.sentinels, this.replica, this.master].map((server) => server.stop()))
    await this.link.close()
  }
}

const run = promisify(execFile)
const say = async (port: number, words: readonly string[]): Promise<string> => (await run(join(dirname(findServer()), 'redis-cli'), ['-p', String(port), ...words])).stdout

async function untilSaid (port: number, words: readonly string[], expected: RegExp): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (expected.test((await say(port, words)).replaceAll('\r', ''))) return
    await sleep(50)
  }
  throw new Error(`redis on port ${port} did not say ${expected.source} when asked ${words.join(' ')}`)
}

async function untilListening (port: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = createConnection(port, '127.0.0.1', () => { socket.destroy(); resolve(true) })
      socket.once('error', () => resolve(false))
    })
    if (connected) return
    await sleep(10)
  }
  throw new Error(`redis-server did not start on port ${port}`)
}
