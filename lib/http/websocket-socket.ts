import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Connection } from '../connection/connection.js'
import type { Socket } from '../connection/socket.js'
import type { Clock } from '../core/clock.js'

export interface SocketLimits {
  /** Bytes that may wait before `write` says that there is no room. */
  readonly bufferedBytes: number
  /** Milliseconds for a closing handshake. */
  readonly closeGrace: number
}

/** Whom the socket tells of errors. */
export interface SocketReports {
  /** A listener of ours threw. */
  readonly onError: (error: unknown) => void
  /** The peer broke WebSocket, or the network broke. */
  readonly onSocketError: (error: Error) => void
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

  get buffered (): number {
    return this.#stream.writableLength
  }

  write (bytes: Uint8Array): boolean {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return false
    // Where the stream itself says that there is room, no `drain` would follow.
    return this.#stream.write(bytes) || this.#stream.writableLength < this.#limits.bufferedBytes
  }

  close (code: number, reason: string): void {
    this.#webSocket.close(code, reason)
    this.#bound()
  }

  // The handshake has begun, by us or by `ws`: it ends within the grace.
  #bound (): void {
    this.#cancelGrace ??= this.#clock.after(this.#limits.closeGrace, () => this.terminate())
  }

  terminate (): void {
    this.#webSocket.terminate()
  }

  /** Hands what happens on the socket to its connection. Every listener is guarded: a throw here would end the host's process. */
  attach (connection: Connection, { onError, onSocketError }: SocketReports): void {
    const guarded = <Args extends unknown[]>(listener: (...args: Args) => void) => (...args: Args) => {
      try {
        listener(...args)
      } catch (error) {
        onError(error)
        this.terminate()
      }
    }
    this.#webSocket.on('message', guarded((data: Buffer, isBinary: boolean) => {
      if (isBinary) connection.receiveBinary()
      else connection.receive(data.toString('utf8'), data.byteLength)
    }))
    // What breaks WebSocket itself ends with 1002, 1007 or 1009, which `ws` has sent by now. The listener of @fastify/websocket
    // would destroy the socket before the peer could read it.
    this.#webSocket.removeAllListeners('error').on('error', guarded((error: Error) => {
      onSocketError(error)
      this.#bound()
    }))
    this.#webSocket.on('close', guarded(() => {
      this.#cancelGrace?.()
      connection.closed()
    }))
    this.#stream.on('drain', guarded(() => connection.drained()))
  }
}
