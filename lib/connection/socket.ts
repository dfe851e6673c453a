/**
 * All that a connection needs of a WebSocket. Knows no library: an adapter on a real socket and a simulated one in a test
 * look the same from here.
 */
export interface Socket {
  /**
   * Writes bytes made of whole server-side WebSocket frames (RFC 6455, 5.2), compressed only where `compressed` says so. They go out in the order of the calls and never
   * interleave with another frame. Returns whether there is room for more; after `false`, the connection is told `drained`
   * when there is again. The bytes are shared between sockets and must not be changed.
   */
  write (bytes: Uint8Array): boolean
  /** The same for several at once, as one write if that is possible. */
  writeAll (all: readonly Uint8Array[]): boolean
  /** Bytes written and not yet taken by the operating system. */
  readonly buffered: number
  /** Whether the peer takes compressed messages (RFC 7692). */
  readonly compressed: boolean
  /** Reads nothing from the peer until `resume`; what has been read already may still arrive. Writing and closing go on as ever. */
  pause (): void
  /** Reads on. */
  resume (): void
  /** Starts the closing handshake. Whatever the peer does, the socket is gone after a bounded time. */
  close (code: number, reason: string): void
  /** Drops the connection at once, with all that is buffered. */
  terminate (): void
}
