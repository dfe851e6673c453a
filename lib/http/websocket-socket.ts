import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Socket } from '../connection/socket.js'
import type { Clock } from '../core/clock.js'
import { takesDeflated } from './permessage-deflate.js'

export interface SocketLimits {
  /** Bytes that may wait before `write` says that there is no room. */
  readonly bufferedBytes: number
  /** Milliseconds for a closing handshake. */
  readonly closeGrace: number
}

/**
 * A WebSocket of `ws` as a connection's socket. Data frames are written to the stream below it, shared and encoded once; `ws` itself only
 * writes whole control frames there (pong and close), synchronously, since nothing ever goes through its compressor or its queue. So the
 * two never interleave.
 */
export class WebSocketSocket implements Socket {
  readonly #webSocket: WebSocket
  readonly #stream: Duplex
  readonly #clock: Clock
  readonly #limits: SocketLimits
  #cancelGrace: (() => void) | null = null

  constructor (webSocket: WebSocket, stream: Duplex, clock: Clock, limits: SocketLimits) {
    this.#webSocket = webSocket
    this.#stream = stream
    this.#clock = clock
    this.#limits = limits
  }

  get compressed (): boolean {
    return takesDeflated(this.#webSocket)
  }

  get buffered (): number {
    return this.#stream.writableLength
  }

  write (bytes: Uint8Array): boolean {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return false
    // Where the stream itself says that there is room, no `drain` would follow.
    return this.#stream.write(bytes) || this.#stream.writableLength < this.#limits.bufferedBytes
  }

  writeAll (all: readonly Uint8Array[]): boolean {
    this.#stream.cork()
    let room = true
    for (const bytes of all) room = this.write(bytes)
    this.#stream.uncork()
    return room || this.#stream.writableLength < this.#limits.bufferedBytes
  }

  pause (): void {
    this.#webSocket.pause()
  }

  resume (): void {
    this.#webSocket.resume()
  }

  close (code: number, reason: string): void {
    this.#webSocket.close(code, reason)
    this.closing()
  }

  /** The closing handshake has begun, by us or by `ws`: it ends within the grace. */
  closing (): void {
    this.#cancelGrace ??= this.#clock.after(this.#limits.closeGrace, () => this.terminate())
  }

  terminate (): void {
    this.#webSocket.terminate()
  }

  /** The socket is gone. */
  closed (): void {
    this.#cancelGrace?.()
  }
}
