import { constants, inflateRawSync } from 'node:zlib'
import type { WebSocket } from 'ws'
import { extensionOf, isNegotiated, type Decompress } from './permessage-deflate.js'

/** What a compressed message leaves out (RFC 7692, 7.2.2). */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])
const NOTHING = Buffer.alloc(0)

/**
 * Bytes that are inflated before everything else gets its turn: about a millisecond. A read from a socket may hold thousands of small
 * messages, or some hundreds that inflate to the limit.
 */
const TURN_BYTES = 256 * 1024
/** What a message counts as at the least, since to begin takes a while too. */
const MESSAGE_BYTES = 8 * 1024

export interface SharedInflateOptions {
  /** Bytes of one message, at the most: compressed, and inflated. */
  readonly frameBytes: number
  /** Called once if `ws` is not made as expected and inflates by itself, with its own memory for each connection. */
  readonly onUnexpected: () => void
}

/**
 * Inflates the messages of all connections in the place of `ws`, which would keep a zlib stream for each. Browsers compress all that they
 * send once they may, so that an idle connection would hold tens of kilobytes. Here it holds nothing but the fragments of a message that is
 * not finished. Synchronous, because a message is small: inflating never goes on beyond `frameBytes`.
 */
export class SharedInflate {
  readonly #options: SharedInflateOptions
  #warned = false
  /** Inflated in this turn of the event loop. */
  #inflated = 0

  constructor (options: SharedInflateOptions) {
    this.#options = options
  }

  /** Inflates what this WebSocket gets from now on, if its messages refer to nothing earlier. Call it before it gets any. */
  takeOver (webSocket: WebSocket): void {
    if (!isNegotiated(webSocket)) return
    const extension = extensionOf(webSocket)
    if (extension === null) return this.#warn()
    if (extension.params.client_no_context_takeover === true) extension.decompress = this.#decompress(webSocket)
  }

  #warn (): void {
    if (this.#warned) return
    this.#warned = true
    this.#options.onUnexpected()
  }

  // Fails as `ws` would: 1009 for too large, 1007 for corrupt. The code is sent here, since errors carry it in a symbol of its own.
  #decompress (webSocket: WebSocket): Decompress {
    const message = new Fragments(this.#options.frameBytes)
    return (data, fin, callback) => {
      let error: Error | null = null
      let inflated: Buffer = NOTHING
      try {
        if (fin) inflated = inflate(message.end(data), this.#options.frameBytes)
        else message.add(data)
      } catch (thrown) {
        error = thrown as Error
      }
      this.#soon(inflated.byteLength, () => {
        if (error !== null) webSocket.close(error instanceof RangeError ? 1009 : 1007)
        callback(error, inflated)
      })
    }
  }

  // Never at once: `ws` goes on with the next message from within the callback, and would recurse.
  #soon (inflated: number, callback: () => void): void {
    if (this.#inflated === 0) setImmediate(() => { this.#inflated = 0 })
    this.#inflated += Math.max(inflated, MESSAGE_BYTES)
    if (this.#inflated < TURN_BYTES) queueMicrotask(callback)
    else setImmediate(callback)
  }
}

/** The fragments of one message, collected until the last one is there. */
class Fragments {
  readonly #limit: number
  #parts: Buffer[] = []
  #length = 0

  constructor (limit: number) {
    this.#limit = limit
  }

  /** Keeps a copy: the fragment is a view into all that was read from the socket. Throws a RangeError beyond the limit. */
  add (data: Buffer): void {
    this.#count(data)
    if (data.byteLength > 0) this.#parts.push(Buffer.from(data))
  }

  /** Takes the last fragment and returns them all, ready to be inflated. Throws a RangeError beyond the limit. */
  end (data: Buffer): Buffer {
    this.#count(data)
    const all = Buffer.concat([...this.#parts, data, TAIL])
    this.#parts = []
    this.#length = 0
    return all
  }

  #count ({ byteLength }: Buffer): void {
    this.#length += byteLength
    if (this.#length > this.#limit) throw new RangeError('compressed message too large')
  }
}

/** Throws a RangeError as soon as there are more bytes than `limit`, and another Error for what is corrupt. */
function inflate (data: Buffer, limit: number): Buffer {
  // JSON becomes some four times as long. The default chunk, 16 KB for each small frame, would take longer to collect than to fill.
  const chunkSize = Math.min(Math.max(4 * data.byteLength, 1024), 64 * 1024)
  return inflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: limit, chunkSize })
}
