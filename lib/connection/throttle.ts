import type { Clock } from '../core/clock.js'
import { RateLimit } from '../core/rate-limit.js'
import type { Socket } from './socket.js'

/** How long reading stops at the least, in milliseconds: to stop and go on for every frame would cost more than the frames. */
const PAUSE = 20

/** A limit of what one connection may send in a second. */
export type RateName = 'framesPerSecond' | 'bytesPerSecond'

/** What all throttles share. */
export interface ThrottleRules {
  readonly clock: Clock
  readonly settings: {
    readonly limits: {
      readonly framesPerSecond: number
      readonly bytesPerSecond: number
      /** Milliseconds that a pause may last: beyond, whoever is not read could not be told from whoever is dead. */
      readonly silence: number
    }
  }
}

/** Whose peer is slowed down. */
export interface Throttled {
  /** So much came at once that no pause makes up for it: it would take `ms` milliseconds. */
  tooMuch (limit: RateName, ms: number): void
}

/**
 * Slows a peer that sends too fast: nothing is read from it until it is within its rates again. TCP hands that on to the sender, so
 * nobody is hurt and nothing is lost. A peer can be ahead of its rates by what one read from its socket holds.
 */
export class Throttle {
  readonly #socket: Socket
  readonly #rules: ThrottleRules
  readonly #owner: Throttled
  readonly #frames: RateLimit
  readonly #bytes: RateLimit
  /** Bytes that came and were not seen in frames yet. */
  #ahead = 0
  /** Set while reading has stopped for a time. */
  #cancel: (() => void) | null = null
  #ended = false

  constructor (socket: Socket, rules: ThrottleRules, owner: Throttled) {
    const { clock, settings: { limits } } = rules
    this.#socket = socket
    this.#rules = rules
    this.#owner = owner
    this.#frames = new RateLimit(limits.framesPerSecond, clock)
    this.#bytes = new RateLimit(limits.bytesPerSecond, clock)
  }

  /** Bytes came, of whatever: also parts of frames, their headers, and frames without content count. */
  came (bytes: number): void {
    this.#ahead += bytes
    this.#slow('bytesPerSecond', this.#bytes.take(bytes))
  }

  /** A frame is there, and holds so many bytes: more than came for it if it was compressed. */
  frame (bytes: number): void {
    const beyond = bytes - this.#ahead
    this.#ahead = Math.max(-beyond, 0)
    if (beyond > 0) this.#slow('bytesPerSecond', this.#bytes.take(beyond))
    this.#slow('framesPerSecond', this.#frames.take(1))
  }

  /** Whether reading has stopped for a time, and goes on by itself. */
  get pausing (): boolean {
    return this.#cancel !== null
  }

  /** The connection has ended: reads what is left, so that a closing handshake can end too, but nothing that comes too fast. */
  release (): void {
    this.#ended = true
    if (this.#cancel === null) return
    this.#cancel()
    this.#cancel = null
    this.#socket.resume()
  }

  #slow (limit: RateName, ms: number): void {
    if (ms === 0 || this.#cancel !== null) return
    this.#socket.pause()
    if (!this.#ended) this.#wait(limit, ms) // else for good: the closing grace ends it
  }

  #wait (limit: RateName, ms: number): void {
    const { clock, settings } = this.#rules
    if (ms > settings.limits.silence) return this.#owner.tooMuch(limit, ms)
    this.#cancel = clock.after(Math.max(ms, PAUSE), () => {
      this.#cancel = null
      // What had been read when reading stopped has come since.
      const frames = this.#frames.owed
      const bytes = this.#bytes.owed
      if (frames > 0 || bytes > 0) this.#slow(frames > bytes ? 'framesPerSecond' : 'bytesPerSecond', Math.max(frames, bytes))
      else this.#socket.resume()
    })
  }
}
