import { PushError, toPushError } from '../core/errors.js'
import { codeOfClose, isCode, type Code } from '../protocol/codes.js'
import type { ClientFrame, GoodbyeFrame, HelloFrame, ServerFrame, WelcomeFrame } from '../protocol/frames.js'
import { HELLO_PREFIX, MAX_HELLO_HEADER, SUBPROTOCOL } from '../protocol/version.js'
import { isThenable } from './emitter.js'
import { base64url } from './encoding.js'
import { Heartbeat } from './heartbeat.js'
import type { Token } from './options.js'
import type { ClientSocket, Platform } from './platform/platform.js'
import { tokenText } from './token.js'

/** How long an orderly close may take before the socket is dropped. Milliseconds. */
const CLOSE_TIMEOUT = 1_000

export interface LinkOptions {
  readonly platform: Platform
  readonly url: string
  /** Bounds each step of opening: the token, the WebSocket, the welcome. Milliseconds. */
  readonly connectTimeout: number
  readonly token: () => Token | Promise<Token>
}

export interface LinkEvents {
  /** What to say first. Asked for as late as possible. */
  hello (token: string | undefined): HelloFrame
  welcome (frame: WelcomeFrame): void
  frame (frame: ServerFrame): void
  /** The link is over; nothing follows. `code` is what the server said, where it said something that is ours. */
  down (code: Code | null, error: PushError | null): void
}

/**
 * One WebSocket, from the token to its end. Every callback asks first whether the link is over, so a late event of an
 * abandoned socket changes nothing.
 */
export class Link {
  /** Counts the links of a client up. */
  readonly generation: number
  /** Frames handed over since the welcome. */
  sent = 0
  goodbye: GoodbyeFrame | null = null
  #phase: 'opening' | 'live' | 'closing' | 'over' = 'opening'
  readonly #options: LinkOptions
  readonly #events: LinkEvents
  #socket: ClientSocket | null = null
  #heartbeat: Heartbeat | null = null
  #release: () => void = () => {}
  #closed: () => void = () => {}

  constructor (generation: number, options: LinkOptions, events: LinkEvents) {
    this.generation = generation
    this.#options = options
    this.#events = events
  }

  /** Opens. What goes wrong is told by `down`, never thrown. */
  open (): void {
    this.#limit('the token did not come in time')
    try {
      const token = this.#options.token()
      if (isThenable(token)) token.then((value) => this.#present(value), (error) => this.#fail(toPushError(error, 'PUSH_UNAVAILABLE')))
      else this.#present(token)
    } catch (error) {
      this.#fail(toPushError(error, 'PUSH_UNAVAILABLE'))
    }
  }

  get live (): boolean {
    return this.#phase === 'live'
  }

  /** Bytes handed over and not yet sent. */
  get buffered (): number {
    return this.#socket?.buffered() ?? 0
  }

  send (frame: ClientFrame): void {
    this.sendText(JSON.stringify(frame))
  }

  sendText (text: string): void {
    if (this.#phase !== 'live') return
    this.sent++
    this.#socket?.send(text)
  }

  /** There is reason to doubt this link. */
  probe (): void {
    this.#heartbeat?.probe()
  }

  /** Drops the link without waiting for anything. No event follows. */
  abandon (): void {
    this.#end()
    this.#socket?.abandon()
  }

  /** Closes in order, in bounded time; then calls `closed`. No event follows. */
  close (closed: () => void): void {
    if (this.#phase !== 'live') {
      this.abandon()
      return closed()
    }
    this.#end()
    this.#phase = 'closing'
    this.#closed = closed
    this.#release = this.#options.platform.clock.after(CLOSE_TIMEOUT, () => this.#gone())
    this.#socket?.close(1000, 'PUSH_CLOSED' satisfies Code)
  }

  #present (token: Token): void {
    try {
      this.#connect(tokenText(token))
    } catch (error) {
      this.#fail(toPushError(error, 'PUSH_INVALID'))
    }
  }

  #connect (token: string | undefined): void {
    if (this.#phase !== 'opening') return
    this.#limit('no connection in time')
    const text = JSON.stringify(this.#events.hello(token))
    const offer = HELLO_PREFIX + base64url(text)
    const inUpgrade = offer.length <= MAX_HELLO_HEADER // [P-2.3]
    try {
      this.#socket = this.#options.platform.connect(this.#options.url, inUpgrade ? [SUBPROTOCOL, offer] : [SUBPROTOCOL], {
        open: () => {
          if (this.#phase !== 'opening') return
          this.#limit('no welcome in time')
          if (!inUpgrade) this.#socket?.send(text)
        },
        message: (message) => this.#receive(message),
        close: (code, reason) => this.#onClose(code, reason)
      })
    } catch (error) {
      this.#fail(toPushError(error, 'PUSH_UNAVAILABLE'))
    }
  }

  #receive (text: string): void {
    if (this.#phase !== 'live' && this.#phase !== 'opening') return
    this.#heartbeat?.heard()
    try {
      this.#take(JSON.parse(text) as ServerFrame)
    } catch (error) {
      // A frame that breaks the protocol says that the peer is not what it should be: begin anew with it, later.
      this.#fail(toPushError(error, 'PUSH_BAD_FRAME'))
    }
  }

  #take (frame: ServerFrame): void {
    if (this.#phase === 'live') {
      if (frame.type === 'ping') return this.send({ type: 'pong' })
      this.#events.frame(frame)
    } else if (frame.type === 'welcome') {
      this.#phase = 'live'
      this.#release()
      this.#heartbeat = new Heartbeat(this.#options.platform.clock, frame.heartbeat, {
        ask: () => this.send({ type: 'ping' }),
        silent: () => this.#fail(new PushError('PUSH_TIMEOUT'))
      })
      this.#events.welcome(frame)
    }
    if (frame.type === 'goodbye') this.goodbye = frame
  }

  #onClose (close: number | undefined, reason: string | undefined): void {
    if (this.#phase === 'closing') return this.#gone()
    if (this.#phase === 'over') return
    this.#end()
    this.#events.down(this.#codeOf(close, reason), null)
  }

  /** What ended the link, in the words of the table. [P-8.2] */
  #codeOf (close: number | undefined, reason: string | undefined): Code | null {
    if (this.goodbye !== null && isCode(this.goodbye.code)) return this.goodbye.code
    // 1000 is also what platforms make up when they kill a socket: only with our reason does it mean to stay away.
    if (close === 1000) return reason === 'PUSH_CLOSED' ? 'PUSH_CLOSED' : null
    return close === undefined ? null : codeOfClose(close)
  }

  #fail (error: PushError): void {
    if (this.#phase !== 'live' && this.#phase !== 'opening') return
    this.abandon()
    this.#events.down(null, error)
  }

  #gone (): void {
    this.abandon()
    this.#closed()
  }

  #limit (why: string): void {
    this.#release()
    this.#release = this.#options.platform.clock.after(this.#options.connectTimeout, () => this.#fail(new PushError('PUSH_TIMEOUT', why)))
  }

  #end (): void {
    this.#phase = 'over'
    this.#release()
    this.#heartbeat?.stop()
  }
}
