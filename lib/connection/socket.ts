/**
 * All that a connection needs of a WebSocket. Knows no library: an adapter on a real socket and a simulated one in a test
 * look the same from here.
 */
export interface Socket {
  /**
   * Writes bytes made of whole, uncompressed, server-side WebSocket frames (RFC 6455, 5.2). They go out in the order of the calls and never
   * interleave with another frame. Returns whether there is room for more; after `false`, the connection is told `drained`
   * when there is again. The bytes are shared between sockets and must not be changed.
   */
  write (bytes: Uint8Array): boolean
  /** Bytes written and not yet taken by the operating system. */
  readonly buffered: number
  /** Starts the closing handshake. Whatever the peer does, the socket is gone after a bounded time. */
  close (code: number, reason: string): void
  /** Drops the connection at once, with all that is buffered. */
  terminate (): void
}
