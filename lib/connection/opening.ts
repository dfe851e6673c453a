import type { ClientFrame, HelloFrame } from '../protocol/frames.js'
import { sessionOf, type ConnectionContext, type Peer } from './context.js'
import { greet } from './handlers/hello.js'
import type { Throttle } from './throttle.js'
import { WaitingFrames } from './waiting-frames.js'

/**
 * - `new`: waits for the hello.
 * - `greeting`: the hello is being answered; frames wait.
 * - `guest`: welcomed; the first frame makes it the owner of its session. [P-2.7]
 * - `claiming`: that frame came; frames wait.
 */
type Phase = 'new' | 'greeting' | 'guest' | 'claiming'

/** A connection that does not own its session yet. */
export interface Newcomer extends ConnectionContext {
  /** Takes a frame of so many characters; 0 once it has waited. Does nothing after the end. */
  take (frame: ClientFrame, length: number): void
  /** It owns its session now. */
  opened (): void
}

/** What a connection goes through until it owns its session; frames that come too early wait. Forgotten afterwards. */
export class Opening {
  readonly #connection: Newcomer
  readonly #throttle: Throttle
  readonly #waiting: WaitingFrames
  #phase: Phase = 'new'
  #authenticate: Peer['authenticate'] | null
  #request: Peer['request']
  #cancelTimeout: (() => void) | null
  /** What is done once the hello has been answered. */
  #works: (() => void)[] | null = null

  constructor (connection: Newcomer, { socket, authenticate, request }: Peer, throttle: Throttle) {
    this.#connection = connection
    this.#throttle = throttle
    this.#waiting = new WaitingFrames(socket)
    this.#authenticate = authenticate
    this.#request = request
    const { clock, settings } = connection.service.broker
    this.#cancelTimeout = clock.after(settings.limits.helloTimeout, () => connection.end('PUSH_TIMEOUT'))
  }

  /** Takes a frame of so many characters; 0 once it has waited. */
  take (frame: ClientFrame, length: number): void {
    if (this.#phase === 'new') {
      if (frame.type !== 'hello') return this.#connection.end('PUSH_BAD_FRAME')
      return this.#start('greeting', () => this.#greet(frame), () => { this.#phase = 'guest' })
    }
    if (this.#phase === 'guest') this.#start('claiming', () => this.#claim(), () => this.#connection.opened())
    if (!this.#waiting.add(frame, length)) this.#connection.end('PUSH_TOO_MANY', { limit: 'waiting' })
  }

  /** Does something once the hello has been answered, or at once; not if the connection ends before. */
  whenWelcomed (work: () => void): void {
    if (this.#phase === 'new' || this.#phase === 'greeting') (this.#works ??= []).push(work)
    else work()
  }

  /** The connection has ended. */
  close (): void {
    this.#waiting.clear()
    this.#works = null
    this.#forgetTimeout()
  }

  // Goes through a phase in which frames wait; they are taken when it is over.
  #start (during: Phase, work: () => Promise<void>, over: () => void): void {
    this.#phase = during
    work().then(() => {
      if (this.#connection.ended) return
      over()
      const works = this.#works ?? []
      this.#works = null
      for (const work of works) work()
      for (const frame of this.#waiting.take(!this.#throttle.pausing)) this.#connection.take(frame, 0)
    }).catch((error: unknown) => this.#connection.fail(error))
  }

  async #greet (hello: HelloFrame): Promise<void> {
    const authenticate = this.#authenticate as Peer['authenticate']
    const request = this.#request
    this.#authenticate = null // it holds on to the upgrade request
    this.#request = undefined
    await greet(this.#connection, hello, authenticate, request)
    this.#forgetTimeout()
  }

  #forgetTimeout (): void {
    this.#cancelTimeout?.()
    this.#cancelTimeout = null
  }

  async #claim (): Promise<void> {
    const connection = this.#connection
    const session = sessionOf(connection)
    await session.claim(connection)
    for (const subscription of connection.subscriptions.values()) session.follow(subscription)
    const stay = connection.ended ? null : connection.service.broker.presence.enterUser(session)
    if (stay !== null) connection.stays.set(stay.channel.name, stay)
  }
}
