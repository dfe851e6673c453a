import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** An example that runs in a process of its own. */
export interface Program {
  /** The next line that it prints. Rejects when it ends before, with what it said of that. */
  line (): Promise<string>
  /** Ends it by its pid. Resolves with its exit code, or `null` where the signal ended it. */
  end (): Promise<number | null>
}

/** Starts a compiled example by its path below `example/`. */
export function start (path: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Program {
  const file = fileURLToPath(new URL(`../../example/${path}`, import.meta.url))
  const child = spawn(process.execPath, [file, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { complaints += text })
  return {
    line: async () => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`${path} ended: ${complaints}`)
      return value
    },
    end: async () => {
      child.kill('SIGTERM')
      return (await exited)[0]
    }
  }
}
