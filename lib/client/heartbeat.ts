import type { Clock } from '../core/clock.js'

/** A timer this late was held up: by a blocked event loop, by a page that slept. Milliseconds. */
const LATE = 2_000

export interface HeartbeatEvents {
  /** Ask the peer for a frame, any frame. */
  ask (): void
  /** Nothing came for too long. */
  silent (): void
}

/**
 * Watches over a link's silence: [P-7.1]. Any frame is a sign of life. One timer, not moved on each frame. A
 * timer that fired late has proven nothing, because frames may wait behind it: they get one more `timeout`.
 */
export class Heartbeat {
  readonly #clock: Clock
  readonly #patience: number
  readonly #timeout: number
  readonly #events: HeartbeatEvents
  #frames = 0
  #heardAt: number
  #framesWhenArmed = 0
  #due = Infinity
  #forgiven = false
  #release: () => void = () => {}

  constructor (clock: Clock, beat: { readonly interval: number, readonly timeout: number }, events: HeartbeatEvents) {
    this.#clock = clock
    this.#patience = beat.interval + beat.timeout
    this.#timeout = beat.timeout
    this.#events = events
    this.#heardAt = clock.now()
    this.#arm(this.#patience)
  }

  /** A frame came. */
  heard (): void {
    this.#frames++
    this.#heardAt = this.#clock.now()
    this.#forgiven = false
  }

  /** There is reason to doubt the link: it has `timeout` to show that it lives. */
  probe (): void {
    this.#events.ask()
    // A storm of doubts must not put the answer off again and again.
    if (this.#clock.now() + this.#timeout < this.#due) this.#arm(this.#timeout)
  }

  stop (): void {
    this.#release()
  }

  #arm (ms: number): void {
    this.#release()
    this.#framesWhenArmed = this.#frames
    this.#due = this.#clock.now() + ms
    this.#release = this.#clock.after(ms, () => this.#fire())
  }

  #fire (): void {
    const now = this.#clock.now()
    if (this.#frames !== this.#framesWhenArmed) {
      this.#arm(Math.max(1, this.#heardAt + this.#patience - now))
    } else if (now - this.#due >= LATE && !this.#forgiven) {
      this.#forgiven = true
      this.#events.ask()
      this.#arm(this.#timeout)
    } else {
      this.#events.silent()
    }
  }
}
