import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A port that nobody listens on. */
export async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => { server.close(resolve) })
  return port
}

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

  async start (): Promise<void> {
    const fixed = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder, '--save', '', '--loglevel', 'warning']
    this.#child = spawn('redis-server', [...fixed, ...this.#args], { stdio: 'ignore' })
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
