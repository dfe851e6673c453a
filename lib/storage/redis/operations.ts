import { PushError } from '../../core/errors.js'
import type { Lifecycle } from '../lifecycle.js'
import { calls, type Call, type Operation, type Pending } from './calls.js'
import { look, masterOf, type Argument, type Connection, type Reply, type Server } from './connection.js'
import { readError } from './errors.js'
import type { Script } from './lua/script.js'
import { Replicas, type Durability } from './replicas.js'
import { Timeouts } from './timeouts.js'

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

/** Bytes of answers that may be on their way at once: what else is asked for does not stand behind more. */
const ANSWERS = 4 * 1024 * 1024

/**
 * Runs scripts. What is asked for within one turn of the event loop goes in one call for each script, and in Cluster for each slot.
 * Every operation settles within the timeout, whatever Redis and the connection do.
 */
export class Operations {
  #connection: Connection | null = null
  readonly #options: OperationsOptions
  /** Where replicas must have what was written. */
  readonly #replicas: Replicas | null
  readonly #waiting = new Map<string, { readonly script: Script, pending: Pending[] }>()
  readonly #pending: Timeouts<Pending>
  /** Calls with long answers that wait for others to come. */
  readonly #later: Call[] = []
  /** Bytes of answers on their way, at the most. */
  #answers = 0
  #flushing: NodeJS.Immediate | null = null

  constructor (options: OperationsOptions) {
    this.#options = options
    this.#pending = new Timeouts(options.timeout, (pending) => this.#fail(pending, new Error(`no answer within ${options.timeout} ms`)))
    this.#replicas = options.durability === undefined ? null : new Replicas(options.durability, options.timeout, () => this.#schedule())
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
    for (const pending of this.#pending.all()) this.#fail(pending, pending.sent ? new Error('the storage was closed') : new PushError('PUSH_STORAGE_CLOSED'))
    if (this.#flushing !== null) clearImmediate(this.#flushing)
    this.#flushing = null
  }

  /** The connection is lost, and with it what was under way. */
  lost (error: Error): void {
    this.#replicas?.lost()
    for (const pending of this.#pending.all()) {
      if (pending.sent) this.#fail(pending, error)
    }
  }

  async #ask (script: Script, operation: Operation, writes: boolean): Promise<Reply> {
    this.#options.lifecycle.assertOpen()
    return await new Promise((resolve, reject) => {
      if (this.#pending.size >= this.#options.inFlight) return reject(new PushError('PUSH_BUSY', 'too much work waits for Redis'))
      const pending: Pending = { operation, resolve, reject, writes, sent: false, settled: false }
      this.#pending.add(pending)
      // What has a short answer does not wait with those that have long ones.
      const size = operation.answer ? 'long' : 'short'
      const group = this.#options.isCluster ? `${script.name} ${size} ${operation.tag}` : `${script.name} ${size}`
      const waiting = this.#waiting.get(group)
      if (waiting === undefined) this.#waiting.set(group, { script, pending: [pending] })
      else waiting.pending.push(pending)
      this.#schedule()
    })
  }

  #schedule (): void {
    if (this.#waiting.size > 0) this.#flushing ??= setImmediate(() => this.#flush())
  }

  #flush (): void {
    this.#flushing = null
    for (const [name, { script, pending }] of [...this.#waiting]) {
      const server = this.#serverOf(pending)
      if (server !== undefined && this.#replicas?.isBusy(server) === true) continue // it goes with the next round
      this.#waiting.delete(name)
      for (const call of calls(script, server, pending)) {
        if (call.pending.some(({ operation }) => operation.answer)) this.#later.push(call)
        else this.#run(call)
      }
    }
    this.#goOn()
  }

  // Replicas are asked on the connection that wrote: there a Cluster cannot be left to find the server.
  #serverOf ([first]: readonly Pending[]): Server | undefined {
    const connection = this.#connection as Connection
    return this.#replicas === null ? connection : masterOf(connection, first?.operation.keys[0] ?? '')
  }

  // One with a long answer may always go.
  #goOn (): void {
    while (this.#later.length > 0 && this.#answers < ANSWERS) this.#run(this.#later.shift() as Call)
  }

  #run (call: Call): void {
    this.#evaluate(call).then((replies) => this.#answer(call, replies), (error: unknown) => {
      if (this.#replicas !== null) look(this.#connection as Connection)
      for (const each of call.pending) this.#fail(each, error)
    })
  }

  async #evaluate (call: Call): Promise<Reply[]> {
    call.pending = call.pending.filter(({ settled }) => !settled)
    const { script, server, pending } = call
    if (pending.length === 0) return []
    if (server === undefined) throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'no server has the slot')
    if (this.#connection?.status !== 'ready') throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'not connected to Redis') // else a Cluster would keep it, for whenever it is
    const keys: string[] = []
    const args: Argument[] = [pending.length]
    for (const { operation } of pending) {
      keys.push(...operation.keys)
      args.push(operation.keys.length, operation.args.length)
      for (const arg of operation.args) args.push(typeof arg === 'object' ? asBuffer(arg) : arg)
    }
    const evaluated = evaluate(server, script, keys, args)
    for (const each of pending) this.#sent(each)
    return await (this.#replicas?.having(server, evaluated) ?? evaluated)
  }

  #sent (pending: Pending): void {
    pending.sent = true
    this.#answers += pending.operation.answer ?? 0
  }

  #answer ({ pending }: Call, replies: readonly Reply[]): void {
    pending.forEach((each, i) => {
      const reply = replies[i]
      if (reply === undefined || reply instanceof Error) return this.#fail(each, reply ?? new Error('no reply'))
      if (each.settled) return
      this.#settle(each)
      each.resolve(reply)
    })
  }

  #fail (pending: Pending, error: unknown): void {
    if (pending.settled) return
    this.#settle(pending)
    pending.reject(readError(error, pending.writes && pending.sent))
  }

  #settle (pending: Pending): void {
    pending.settled = true
    this.#pending.delete(pending)
    if (!pending.sent || !pending.operation.answer) return
    this.#answers -= pending.operation.answer
    this.#goOn()
  }
}

// The client library knows no other bytes.
function asBuffer (bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

// A script that Redis does not know, or no longer, was not run: it is sent as a whole.
async function evaluate (server: Server, script: Script, keys: readonly string[], args: readonly Argument[]): Promise<Reply[]> {
  try {
    return await server.callBuffer('EVALSHA', script.sha, keys.length, ...keys, ...args) as Reply[]
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return await server.callBuffer('EVAL', script.lua, keys.length, ...keys, ...args) as Reply[]
  }
}
