import type { Clock } from '../../core/clock.js'

/**
 * What the client needs of the place it runs in. The core imports nothing global: each platform is one small adapter.
 */
export interface Platform {
  readonly name: string
  readonly clock: Clock
  /** A number in [0, 1). Spreads reconnections; nothing secret. */
  random (): number
  /** A fresh url-safe secret of at least 128 bits, 22 characters or more. */
  secret (): string
  /**
   * Opens a WebSocket. May throw at once (a malformed URL); otherwise everything is told through `events`, never before
   * `connect` has returned.
   */
  connect (url: string, protocols: readonly string[], events: SocketEvents): ClientSocket
  /** Signs of life from the platform: what may mean that the network or the page changed. Returns the release. */
  watch (listener: (evidence: Evidence) => void): () => void
}

/** What a platform noticed. `online`, `visible` and `resumed` are reasons to doubt the link; `offline` to stop trying; `hidden` and `hiding` to save. */
export type Evidence = 'online' | 'offline' | 'visible' | 'hidden' | 'resumed' | 'hiding'

export interface SocketEvents {
  open (protocol: string): void
  message (text: string): void
  /** Exactly once at the most, with whatever the platform knows; nothing follows. */
  close (code: number | undefined, reason: string | undefined): void
}

export interface ClientSocket {
  /** Hands a text over. Never throws; on a socket that is not open it does nothing. */
  send (text: string): void
  /** Bytes handed over and not yet sent, as far as the platform knows. */
  buffered (): number
  /** Ends in order: the close event still comes. */
  close (code: number, reason: string): void
  /** Drops the socket without waiting for anything. No event follows, ever. Never throws. */
  abandon (): void
}
