import type { PushError } from '../../core/errors.js'
import type { Argument, Reply, Server } from './connection.js'
import type { Script } from './lua/script.js'

/** One operation of a script. */
export interface Operation {
  readonly keys: readonly string[]
  readonly args: readonly Argument[]
  /** Operations with the same one may go in one call: what is in a key's braces. */
  readonly tag: string
  /** Bytes that the answer may have, where it may have many. */
  readonly answer?: number
}

/** Operations in one call at the most, and arguments and bytes of them: Redis does nothing else meanwhile. */
const CALL_OPERATIONS = 256
const CALL_ARGUMENTS = 4096
const CALL_BYTES = 1024 * 1024

/** Somebody waits for an operation. */
export interface Pending {
  readonly operation: Operation
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: PushError) => void
  readonly writes: boolean
  /** Whether it has been handed to Redis. */
  sent: boolean
  settled: boolean
}

/** Operations of one script that go to Redis together. */
export interface Call {
  readonly script: Script
  /** Where to; `undefined` where no server is known to have the slot. */
  readonly server: Server | undefined
  /** What it asks for: of what was to go, what is still waited for. */
  pending: readonly Pending[]
}

/** Cuts what is asked for into calls that are not too large, in order. */
export function * calls (script: Script, server: Server | undefined, pending: readonly Pending[]): Generator<Call, void> {
  let call: Pending[] = []
  let args = 0
  let bytes = 0
  for (const each of pending) {
    const { operation } = each
    call.push(each)
    args += operation.args.length
    bytes += operation.answer ?? 0
    for (const arg of operation.args) bytes += typeof arg === 'number' ? 8 : arg.length
    if (call.length < CALL_OPERATIONS && args < CALL_ARGUMENTS && bytes < CALL_BYTES) continue
    yield { script, server, pending: call }
    call = []
    args = bytes = 0
  }
  if (call.length > 0) yield { script, server, pending: call }
}
