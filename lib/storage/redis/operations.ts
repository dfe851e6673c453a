import { PushError } from '../../core/errors.js'
import type { Lifecycle } from '../lifecycle.js'
import type { Argument, Connection, Reply } from './connection.js'
import { readError } from './errors.js'
import type { Script } from './lua/script.js'

/** One operation of a script. */
export interface Operation {
  readonly keys: readonly string[]
  readonly args: readonly Argument[]
  /** Operations with the same one may go in one call: what is in a key's braces. */
  readonly tag: string
}

export interface OperationsOptions {
  readonly lifecycle: Lifecycle
  /** Whether keys have slots, so that not everything can go in one call. */
  readonly isCluster: boolean
  /** Milliseconds until an operation is given up. */
  readonly timeout: number
  /** Operations under way or waiting, at the most. */
  readonly inFlight: number
  /** How many replicas must have what was written, and within how many milliseconds, before it counts as done. */
  readonly durability?: Durability | undefined
}

/** What `WAIT` is asked for. */
export interface Durability {
  readonly replicas: number
  /** Milliseconds. */
  readonly timeout: number
}

/** Operations in one call at the most, and arguments of them: Redis does nothing else meanwhile. */
const CALL_OPERATIONS = 256
const CALL_ARGUMENTS = 4096
const CALL_BYTES = 1024 * 1024

interface Pending {
  readonly operation: Operation
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: PushError) => void
  readonly writes: boolean
  readonly until: number
  /** Whether it has been handed to Redis. */
  sent: boolean
  settled: boolean
}

/**
 * Runs scripts. What is asked for within one turn of the event loop goes in one call for each script, and in Cluster for each slot.
 * Every operation settles within the timeout, whatever Redis and the connection do.
 */
export class Operations {
  #connection: Connection | null = null
  readonly #options: OperationsOptions
  readonly #waiting = new Map<string, { readonly script: Script, pending: Pending[] }>()
  /** In the order in which they end. */
  readonly #pending = new Set<Pending>()
  #flushing: NodeJS.Immediate | null = null
  #timer: NodeJS.Timeout | null = null

  constructor (options: OperationsOptions) {
    this.#options = options
  }

  /** From now on there is a connection. */
  open (connection: Connection): void {
    this.#connection = connection
    connection.on('close', () => this.lost(new Error('the connection to Redis was lost')))
  }

  /** Under way or waiting. */
  get size (): number {
    return this.#pending.size
  }

  /** A read: an operation that failed changed nothing. */
  read (script: Script, operation: Operation): Promise<Reply> {
    return this.#ask(script, operation, false)
  }

  /** A write: where it is not known whether it happened, it rejects with `PUSH_STORAGE_UNKNOWN`. */
  write (script: Script, operation: Operation): Promise<Reply> {
    return this.#ask(script, operation, true)
  }

  /** Gives all up, and takes no more. */
  close (): void {
    for (const pending of [...this.#pending]) this.#fail(pending, pending.sent ? new Error('the storage was closed') : new PushError('PUSH_STORAGE_CLOSED'))
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#flushing !== null) clearImmediate(this.#flushing)
    this.#timer = this.#flushing = null
  }

  /** The connection is lost, and with it what was under way. */
  lost (error: Error): void {
    for (const pending of [...this.#pending]) {
      if (pending.sent) this.#fail(pending, error)
    }
  }

  async #ask (script: Script, operation: Operation, writes: boolean): Promise<Reply> {
    this.#options.lifecycle.assertOpen()
    return await new Promise((resolve, reject) => {
      if (this.#pending.size >= this.#options.inFlight) return reject(new PushError('PUSH_BUSY', 'too much work waits for Redis'))
      const pending: Pending = { operation, resolve, reject, writes, until: performance.now() + this.#options.timeout, sent: false, settled: false }
      this.#pending.add(pending)
      this.#watch()
      const group = this.#options.isCluster ? `${script.name} ${operation.tag}` : script.name
      const waiting = this.#waiting.get(group)
      if (waiting === undefined) this.#waiting.set(group, { script, pending: [pending] })
      else waiting.pending.push(pending)
      this.#flushing ??= setImmediate(() => this.#flush())
    })
  }

  #flush (): void {
    this.#flushing = null
    const groups = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { script, pending } of groups) {
      for (const call of calls(pending)) this.#call(script, call).catch((error: unknown) => { for (const each of call) this.#fail(each, error) })
    }
  }

  async #call (script: Script, call: readonly Pending[]): Promise<void> {
    const asked = call.filter(({ settled }) => !settled)
    if (asked.length === 0) return
    const keys: string[] = []
    const args: Argument[] = [asked.length]
    for (const pending of asked) {
      const { operation } = pending
      keys.push(...operation.keys)
      args.push(operation.keys.length, operation.args.length)
      for (const arg of operation.args) args.push(typeof arg === 'object' ? asBuffer(arg) : arg)
      pending.sent = true
    }
    const replies = await this.#evaluate(script, keys, args)
    if (this.#options.durability !== undefined) await this.#replicated(this.#options.durability)
    asked.forEach((pending, i) => this.#answer(pending, replies[i] as Reply))
  }

  // A script that Redis does not know, or no longer, was not run: it is sent as a whole.
  async #evaluate (script: Script, keys: string[], args: Argument[]): Promise<Reply[]> {
    const connection = this.#connection as Connection
    try {
      return await connection.callBuffer('EVALSHA', script.sha, keys.length, ...keys, ...args) as Reply[]
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return await connection.callBuffer('EVAL', script.lua, keys.length, ...keys, ...args) as Reply[]
    }
  }

  // Of this connection's writes so far, and so of those under way as well.
  async #replicated ({ replicas, timeout }: Durability): Promise<void> {
    const having = Number(await (this.#connection as Connection).callBuffer('WAIT', replicas, timeout))
    if (having < replicas) throw new PushError('PUSH_STORAGE_UNKNOWN', `only ${having} of ${replicas} replicas had it within ${timeout} ms`)
  }

  #answer (pending: Pending, reply: Reply): void {
    if (pending.settled) return
    if (reply === undefined || reply instanceof Error) return this.#fail(pending, reply ?? new Error('no reply'))
    this.#settle(pending)
    pending.resolve(reply)
  }

  #fail (pending: Pending, error: unknown): void {
    if (pending.settled) return
    this.#settle(pending)
    pending.reject(readError(error, pending.writes && pending.sent))
  }

  #settle (pending: Pending): void {
    pending.settled = true
    this.#pending.delete(pending)
  }

  // One timer: what was asked first ends first.
  #watch (): void {
    if (this.#timer !== null) return
    const [first] = this.#pending
    if (first === undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      const now = performance.now()
      for (const pending of this.#pending) {
        if (pending.until > now) break
        this.#fail(pending, new Error(`no answer within ${this.#options.timeout} ms`))
      }
      this.#watch()
    }, Math.max(1, first.until - performance.now()))
    this.#timer.unref()
  }
}

// The client library knows no other bytes.
function asBuffer (bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

// Cuts what is to be sent into calls that are not too large, in order.
function * calls (pending: readonly Pending[]): Generator<Pending[], void> {
  let call: Pending[] = []
  let args = 0
  let bytes = 0
  for (const each of pending) {
    call.push(each)
    args += each.operation.args.length
    for (const arg of each.operation.args) bytes += typeof arg === 'number' ? 8 : arg.length
    if (call.length < CALL_OPERATIONS && args < CALL_ARGUMENTS && bytes < CALL_BYTES) continue
    yield call
    call = []
    args = bytes = 0
  }
  if (call.length > 0) yield call
}
