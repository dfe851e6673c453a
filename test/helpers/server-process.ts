import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { FastifyPushOptions, PushStats } from '../../types/index.js'
import type { LogLine } from './app.js'
import { spawnNode } from './spawn-node.js'

/** What a server process has used by now. */
export interface Usage {
  /** Bytes, after a garbage collection. */
  readonly rss: number
  readonly stats: PushStats
  /** Warnings and errors of the host's log. */
  readonly warnings: readonly LogLine[]
}

export interface ServerProcess {
  readonly port: number
  readonly url: string
  /** Rejects if the process has died. */
  usage (): Promise<Usage>
}

export interface ServerProcessOptions {
  readonly limits?: FastifyPushOptions['limits']
  /** Arguments of Node. */
  readonly args?: readonly string[]
  /** Files that it may have open. */
  readonly openFiles?: number
}

/** Starts a server with the channels of `startApp` in a process of its own, whose memory and files are nobody else's. Ended with the test. */
export async function startServer (t: Test, { limits = {}, args = [], openFiles }: ServerProcessOptions = {}): Promise<ServerProcess> {
  const program = fileURLToPath(new URL('./victim.js', import.meta.url))
  const node = ['--expose-gc', ...args, program, JSON.stringify({ limits })]
  const child = spawnNode(node, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }, openFiles)
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  const died = once(child, 'exit').then(([code, signal]) => { throw new Error(`the server died: ${String(code ?? signal)}`) })
  died.catch(() => {})
  const answer = async (): Promise<unknown> => (await Promise.race([once(child, 'message'), died]))[0]
  const port = await answer() as number
  return {
    port,
    url: `ws://127.0.0.1:${port}/push`,
    usage: async () => {
      const usage = answer()
      child.send('usage', () => {})
      return await usage as Usage
    }
  }
}
