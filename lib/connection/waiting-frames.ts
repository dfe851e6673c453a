import type { ClientFrame } from '../protocol/frames.js'
import type { Socket } from './socket.js'

/** Frames, and characters of them, that may wait. */
const FRAMES = 8192
const LENGTH = 1024 * 1024

/** Every so many waiting frames the socket is told once more not to read: one read from it may hold thousands. */
const PAUSE_FRAMES = 256

/**
 * Frames that wait while a hello or a take-over is under way. A client with many subscriptions and a full outbox sends them all at once: it
 * is not read for a while, so that only what had been read waits.
 */
export class WaitingFrames {
  readonly #socket: Socket
  #frames: ClientFrame[] = []
  /** The length of all that ever waited, in characters. */
  #length = 0

  constructor (socket: Socket) {
    this.#socket = socket
  }

  /** Lets a frame of so many characters wait; 0 if it has waited before. Returns whether there was room for it. */
  add (frame: ClientFrame, length: number): boolean {
    const frames = this.#frames.push(frame)
    this.#length += length
    if (frames > FRAMES || this.#length > LENGTH) return false
    if (frames % PAUSE_FRAMES === 0) this.#socket.pause()
    return true
  }

  /** Gives them, in order; they wait no more. Reads on where they had stopped it, if it `mayRead`. */
  take (mayRead: boolean): ClientFrame[] {
    const frames = this.#frames
    this.#frames = []
    if (frames.length >= PAUSE_FRAMES && mayRead) this.#socket.resume()
    return frames
  }

  /** Forgets them. */
  clear (): void {
    this.#frames = []
  }
}
