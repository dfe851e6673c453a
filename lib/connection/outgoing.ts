import type { Outlet } from '../broker/outlet.js'
import { ReadTurns } from '../broker/read-turns.js'
import type { Compression, SharedFrame } from '../broker/shared-frame.js'
import type { Ending, Tick } from '../broker/tick.js'
import type { Clock } from '../core/clock.js'
import type { Buffers, Holder } from './buffers.js'
import type { Socket } from './socket.js'

/** Bytes that are gathered before they are written without waiting for the end of the tick. */
const GATHERED_BYTES = 64 * 1024

/**
 * How many times `limits.bufferedBytes` may wait at the most, besides the write that filled it: a single record may be larger than all that. Records
 * stop there; answers do not, so that a peer which asks and never reads has to be dropped somewhere.
 */
const BUFFERED_TIMES = 16

export interface OutgoingContext {
  readonly socket: Socket
  readonly tick: Tick
  readonly buffers: Buffers
  readonly clock: Clock
  /** Bytes that may wait in the socket before `writable` is false. */
  readonly bufferedBytes: number
  /** As negotiated; `null` where it was not. */
  readonly compression: Compression | null
}

/** Whom the outgoing bytes tell. */
export interface Writer {
  /** `writable` has changed. */
  settle (): void
  /** Ends without waiting: the reader does not keep up. */
  dropSlow (): void
  /** Ends it: its reader does not keep up with a channel that disconnects such readers. */
  disconnect (): void
  /** Ends it: nothing may be written any more. */
  expire (): void
}

/** The outgoing bytes of one connection: what is written in a tick is gathered, and makes one write at its end. */
export class Outgoing implements Outlet, Ending, Holder {
  /** Whether there is room. */
  writable = true
  /** Whether anything was written since this was last set to false. */
  wrote = false
  /** Bytes that wait in the socket, as last looked. */
  held = 0
  /** Nothing is written from this moment on, in milliseconds since 1970. */
  until = Infinity
  readonly reads = new ReadTurns(this)
  readonly #context: OutgoingContext
  readonly #writer: Writer
  // Nearly always there is one frame, or none.
  #first: Uint8Array | null = null
  #more: Uint8Array[] | null = null
  #gathered = 0
  /** Bytes written so far, and how many of them the operating system had taken when it was last asked. */
  #written = 0
  #taken = 0
  #filling = 0 // bytes of the write after which there was no room
  #waiting = false // for the end of the tick
  #ended = false

  constructor (context: OutgoingContext, writer: Writer) {
    this.#context = context
    this.#writer = writer
  }

  /** Takes whole WebSocket frames; they go out in the order of the calls. */
  write (frame: Uint8Array): void {
    if (this.#ended) return
    this.wrote = true
    if (this.#first === null) this.#first = frame
    else if (this.#more === null) this.#more = [this.#first, frame]
    else this.#more.push(frame)
    this.#gathered += frame.byteLength
    if (this.#gathered > GATHERED_BYTES) return this.flush()
    if (this.#waiting) return
    this.#waiting = true
    this.#context.tick.connection(this)
  }

  /** Takes a frame that others get too. `last`: nothing more comes in this tick, so that it need not be gathered. */
  share (frame: SharedFrame, last: boolean): void {
    const { compression } = this.#context
    const bytes = compression === null ? frame.plain : frame.deflated(compression)
    if (!last || this.#first !== null || this.#ended) return this.write(bytes)
    this.wrote = true
    this.#pass(bytes, null, bytes.byteLength)
  }

  endTick (): void {
    this.#waiting = false
    this.flush()
  }

  /** Writes what was gathered. */
  flush (): void {
    const first = this.#first
    const more = this.#more
    const bytes = this.#gathered
    if (first === null) return
    this.#first = null
    this.#more = null
    this.#gathered = 0
    this.#pass(first, more, bytes)
  }

  // One frame, or all of them.
  #pass (first: Uint8Array, all: readonly Uint8Array[] | null, bytes: number): void {
    if (this.expired) return this.#writer.expire()
    const { socket } = this.#context
    this.#written += bytes
    const room = all === null ? socket.write(first) : socket.writeAll(all)
    if (this.held > 0 || socket.buffered > 0) this.look()
    if (room || this.#ended) return
    if (this.writable) this.#filling = bytes
    if (this.held - this.#filling > BUFFERED_TIMES * this.#context.bufferedBytes) return this.#writer.dropSlow()
    if (!this.writable) return
    this.writable = false
    this.#writer.settle()
  }

  /** Whether its moment has come. */
  get expired (): boolean {
    return this.until !== Infinity && this.#context.clock.timestamp() >= this.until
  }

  /** Forgets what was gathered: what is written now is only the end. */
  discard (): void {
    this.until = Infinity
    this.#first = this.#more = null
    this.#gathered = 0
  }

  /** The socket has room again. */
  drained (): void {
    if (this.#ended) return
    this.look()
    if (this.writable) return
    this.writable = true
    this.#writer.settle()
  }

  /** Looks at how many bytes wait in the socket. */
  look (): void {
    const before = this.held
    this.held = this.#ended ? 0 : this.#context.socket.buffered
    this.#context.buffers.changed(this, this.held - before)
  }

  /** Whether the socket has taken nothing since this was last asked, though bytes wait in it. */
  stands (): boolean {
    this.look()
    const taken = this.#written - this.held
    const stands = this.held > 0 && taken <= this.#taken
    this.#taken = taken
    return stands
  }

  dropSlow (): void {
    this.#writer.dropSlow()
  }

  disconnect (): void {
    this.#writer.disconnect()
  }

  /** Writes nothing any more. What was gathered goes out first, if `flushing`. */
  end (flushing: boolean): void {
    if (this.#ended) return
    if (flushing) this.flush()
    this.#ended = true
    this.#first = this.#more = null
    this.look()
  }
}
