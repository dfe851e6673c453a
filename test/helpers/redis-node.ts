import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { PresenceChange } from '../../types/hooks.js'
import type { FastifyPushOptions } from '../../types/index.js'
import type { RedisStorageOptions } from '../../lib/storage/redis/index.js'
import { spawnNode } from './spawn-node.js'

interface Address {
  readonly host: string
  readonly port: number
}

/** Where a node finds Redis: a port of loopback, what three sentinels say, or a Cluster. */
export type RedisAddress = { readonly port: number } | { readonly name: string, readonly sentinels: Address[] } | { readonly cluster: Address[] }

/** What a node is made of. All of it is JSON: it goes to a process of its own. */
export interface NodeSetup {
  readonly redis: RedisAddress
  readonly storage?: Omit<RedisStorageOptions, 'client'>
  readonly push: FastifyPushOptions
  /** A client's token is its user's id, and it may do what is not forbidden. Otherwise everybody is anonymous. */
  readonly users?: boolean
  /** Milliseconds by which its wall clock is ahead of the machine's; its method `skew` sets it anew. Default: none. */
  readonly skew?: number
  /** Where to listen. Default: a free port. */
  readonly port?: number
  /** The folder in which the compiled `lib/` lies, as a URL: for a library that is broken on purpose. Default: this one. */
  readonly root?: string
}

/**
 * The parent asks for something of `app.push`; `clients.x` takes the target first; `warnings` are those of the log; `health` is the storage's; `forbid` takes a user and a channel
 * that `authorize` refuses to it from now on.
 */
export interface Call {
  readonly id: number
  readonly name: string
  readonly args: readonly unknown[]
}

export interface Answer {
  readonly type: 'answer'
  readonly id: number
  readonly result?: unknown
  readonly error?: { readonly code: string, readonly message: string, readonly id?: string }
}

/** A hook of the node's was called. */
export interface PresenceTold {
  readonly type: 'presence'
  readonly channel: string
  readonly cause: PresenceChange['cause']
  readonly clientId: string
}

/** Another one: a connection has ended. */
export interface DisconnectTold {
  readonly type: 'disconnect'
  readonly clientId: string
  readonly code: string | null
}

/** What a node says to its parent. */
export type Word = { readonly type: 'open', readonly port: number } | Answer | PresenceTold | DisconnectTold

/** What a call was refused with, by its code. */
export class NodeError extends Error {
  readonly code: string
  /** Of a publish: under which it may be tried again. */
  readonly id: string | undefined

  constructor ({ code, message, id }: NonNullable<Answer['error']>) {
    super(message)
    this.code = code
    this.id = id
  }
}

/** A node on Redis in a process of its own, which can be killed and stopped. */
export class RedisNode {
  readonly #child: ChildProcess
  readonly #open = new Map<number, { resolve: (result: unknown) => void, reject: (error: Error) => void }>()
  readonly #exited: Promise<unknown>
  #calls = 0
  port = 0
  /** Told of each call of the hook `onPresence`. */
  onPresence: (told: PresenceTold) => void = () => {}
  /** Told of each call of the hook `onDisconnect`. */
  onDisconnect: (told: DisconnectTold) => void = () => {}

  private constructor (child: ChildProcess) {
    this.#child = child
    this.#exited = once(child, 'exit')
    this.#exited.then(() => {
      for (const { reject } of this.#open.values()) reject(new Error('the node ended'))
      this.#open.clear()
    }, () => {})
  }

  /** Resolves when it listens; rejects if it ends before. */
  static async start (setup: NodeSetup): Promise<RedisNode> {
    const root = setup.root ?? new URL('../../', import.meta.url).href
    const program = fileURLToPath(new URL('./redis-node-program.js', import.meta.url))
    const child = spawnNode([program, JSON.stringify({ ...setup, root })], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const node = new RedisNode(child)
    await new Promise<void>((resolve, reject) => {
      child.on('message', (word: Word) => {
        if (word.type !== 'open') return node.#hear(word)
        node.port = word.port
        resolve()
      })
      child.once('exit', (code, signal) => reject(new Error(`the node did not start: ${String(code ?? signal)}`)))
    })
    return node
  }

  /** Whether its process has ended. */
  get hasEnded (): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  get url (): string {
    return `ws://127.0.0.1:${this.port}/push`
  }

  /** Calls a method of its `app.push`: see `Call`. Rejects with a `NodeError`, or if the process ends first. */
  async call<Result = unknown> (name: string, ...args: unknown[]): Promise<Result> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error('the node ended')
    const id = ++this.#calls
    const result = new Promise<unknown>((resolve, reject) => { this.#open.set(id, { resolve, reject }) })
    if (this.#child.connected) this.#child.send({ id, name, args } satisfies Call, () => {}) // what cannot be sent ends with the process
    return await result as Result
  }

  /** Sends a signal, as `SIGSTOP`. */
  signal (signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Kills it without a word, also when it is stopped. Resolves when it is gone; so it does where it was gone already. */
  async kill (): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Ends it in order. Resolves with its exit code, `null` after a signal. */
  async close (): Promise<number | null> {
    this.#child.kill('SIGTERM')
    await this.#exited
    return this.#child.exitCode
  }

  #hear (word: Answer | PresenceTold | DisconnectTold): void {
    if (word.type === 'presence') return this.onPresence(word)
    if (word.type === 'disconnect') return this.onDisconnect(word)
    const call = this.#open.get(word.id)
    this.#open.delete(word.id)
    if (word.error === undefined) call?.resolve(word.result)
    else call?.reject(new NodeError(word.error))
  }
}
