import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { codes, type Code, type Retry } from '../protocol/codes.js'
import type { ClientFrame, GoodbyeFrame, HelloFrame, ServerFrame, WelcomeFrame } from '../protocol/frames.js'
import { Backoff, type BackoffOptions } from './backoff.js'
import { LONGEST_DELAY } from './delay.js'
import { Link, type LinkOptions } from './link.js'
import type { Evidence } from './platform/platform.js'
import { mayFollow, type ClientState } from './states.js'

/** A link that was live for so long resets the backoff. Milliseconds. */
const STABLE = 10_000
/** Least time between the starts of two attempts. */
const FLOOR = 250
/** An attempt older than this is begun anew when the platform says that things changed: its first packet may be lost. */
const STALE_ATTEMPT = 2_500
/** How long what the platform noticed explains the end of a link. */
const EVIDENCE_HOLDS = 10_000
/** Platforms err about being offline: now and then an attempt is made all the same. */
const DISBELIEF = [30_000, 90_000] as const

/** The way out, as the parts of the client see it. */
export interface Wire {
  /** Whether frames go out now. */
  readonly live: boolean
  /** Bytes handed over and not yet sent. */
  readonly buffered: number
  send (frame: ClientFrame): void
  sendText (text: string): void
}

export interface SessionEvents {
  hello (token: string | undefined): HelloFrame
  welcome (frame: WelcomeFrame): void
  frame (frame: ServerFrame): void
  /** There is no live link any more. */
  down (): void
  state (state: ClientState, error: PushError | null): void
  error (error: PushError): void
  /** The platform may stop the client at any moment from now. */
  hiding (): void
}

export interface SessionOptions extends LinkOptions {
  /** Whether the token may be another one the next time. */
  readonly renewsToken: boolean
}

/** What outlives a link: decides when there is one, and hears all of them as one. */
export class Session implements Wire {
  state: ClientState = 'idle'
  /** When the next attempt begins, in milliseconds since 1970; `null` while none is due. */
  retryAt: number | null = null
  readonly #options: SessionOptions
  readonly #clock: Clock
  readonly #events: SessionEvents
  readonly #backoff: Backoff
  #link: Link | null = null
  #generation = 0
  #attemptAt = -Infinity
  #evidenceAt = -Infinity
  #online = true
  #spread = 0
  /** The server said when to come back. Nothing shortens that. */
  #ordered = false
  /** The server did not take a token, and no link was live for long since. */
  #refused = false
  #releaseRetry: () => void = () => {}
  #releaseStable: () => void = () => {}
  readonly #unwatch: () => void

  constructor (options: SessionOptions, backoff: BackoffOptions, events: SessionEvents) {
    this.#options = options
    this.#clock = options.platform.clock
    this.#events = events
    this.#backoff = new Backoff(backoff, () => options.platform.random())
    this.#unwatch = options.platform.watch((evidence) => this.#sense(evidence))
  }

  get live (): boolean {
    return this.#link !== null && this.#link.live
  }

  get buffered (): number {
    return this.#link?.buffered ?? 0
  }

  send (frame: ClientFrame): void {
    this.#link?.send(frame)
  }

  sendText (text: string): void {
    this.#link?.sendText(text)
  }

  /** Drops what there is and opens a link now. Does nothing once closed. */
  open (): void {
    if (this.state === 'closed') return
    this.#drop()
    this.#attemptAt = this.#clock.now()
    const link = new Link(++this.#generation, this.#options, {
      hello: (token) => this.#events.hello(token),
      welcome: (frame) => this.#welcome(link, frame),
      frame: (frame) => this.#frame(frame),
      down: (code, error) => this.#down(link, code, error)
    })
    this.#link = link
    this.#enter('connecting')
    if (this.#link === link) link.open() // a listener may have closed or begun anew
  }

  /** Ends for good, in order and in bounded time. */
  close (error: PushError | null, closed: () => void): void {
    if (this.state === 'closed') return closed()
    this.#unwatch()
    const link = this.#link
    this.#link = null
    this.#drop()
    this.#events.down()
    this.#enter('closed', error)
    if (link === null) closed()
    else link.close(closed)
  }

  #welcome (link: Link, frame: WelcomeFrame): void {
    this.#spread = frame.spread
    this.#releaseStable = this.#clock.after(STABLE, () => {
      this.#backoff.reset()
      this.#refused = false
    })
    this.#events.welcome(frame)
    if (this.#link !== link || !link.live) return
    if (link.sent === 0) link.send({ type: 'pong' }) // owns the session from its first frame on: [P-2.7]
    this.#enter('live')
  }

  #frame (frame: ServerFrame): void {
    if (frame.type === 'goodbye') this.#goodbye(frame)
    else this.#events.frame(frame)
  }

  // The link stays in use until the moment comes or the server closes it.
  #goodbye (frame: GoodbyeFrame): void {
    if (frame.after === undefined) return
    this.#schedule(this.#backoff.within(frame.after[0], frame.after[1]))
    this.#ordered = true
  }

  #down (link: Link, code: Code | null, error: PushError | null): void {
    const wasLive = this.state === 'live'
    this.#link = null
    this.#releaseStable()
    this.#events.down()
    const retry = code === null ? 'later' : this.#retryOf(code)
    if (retry === 'never' && code !== null) return this.close(new PushError(code, link.goodbye?.reason), () => {})
    if (error !== null) this.#events.error(error)
    if (this.#link !== null || this.#generation !== link.generation) return // a listener has begun anew
    if (!this.#ordered) this.#schedule(retry === 'now' ? 0 : this.#delay(wasLive))
    this.#enter(this.#online ? 'waiting' : 'offline')
  }

  /** A token may have run out, and the next one be taken. Twice in a row it is the user who is not. */
  #retryOf (code: Code): Retry {
    if (code !== 'PUSH_UNAUTHENTICATED' || !this.#options.renewsToken || this.#refused) return codes[code].retry
    this.#refused = true
    return 'now'
  }

  #delay (wasLive: boolean): number {
    if (!this.#online) return this.#backoff.within(...DISBELIEF)
    if (this.#clock.now() - this.#evidenceAt < EVIDENCE_HOLDS) {
      this.#evidenceAt = -Infinity // explains one end, not a server that is down
      return 0
    }
    return wasLive ? this.#backoff.afterLive(this.#spread) : this.#backoff.next()
  }

  #schedule (delay: number): void {
    this.#releaseRetry()
    this.#ordered = false
    const floor = this.#attemptAt + FLOOR - this.#clock.now()
    const wait = Math.min(LONGEST_DELAY, Math.max(0, delay, floor))
    this.retryAt = this.#clock.timestamp() + wait
    this.#releaseRetry = this.#clock.after(wait, () => this.open())
  }

  #sense (evidence: Evidence): void {
    if (evidence === 'hiding' || evidence === 'hidden') return this.#events.hiding()
    this.#online = evidence === 'offline' ? false : evidence === 'online' ? true : this.#online
    if (evidence === 'offline') {
      if (this.state !== 'waiting') return
      if (!this.#ordered) this.#schedule(this.#delay(false))
      return this.#enter('offline')
    }
    this.#evidenceAt = this.#clock.now()
    if (this.state === 'live') return this.#link?.probe()
    if (this.state === 'waiting' || this.state === 'offline') this.#hurry()
    else if (this.state === 'connecting' && this.#clock.now() - this.#attemptAt >= STALE_ATTEMPT) this.open()
  }

  #hurry (): void {
    if (this.#online && this.state === 'offline') this.#enter('waiting')
    if (this.#ordered) return
    this.#backoff.reset()
    this.#schedule(0)
  }

  #drop (): void {
    this.retryAt = null
    this.#releaseRetry()
    this.#releaseStable()
    this.#ordered = false
    if (this.#link === null) return
    this.#link.abandon()
    this.#link = null
    this.#events.down()
  }

  #enter (state: ClientState, error: PushError | null = null): void {
    if (!mayFollow(this.state, state)) return
    this.state = state
    this.#events.state(state, error)
  }
}
