import { encodeFrame } from '../broker/encoding.js'
import type { Started } from '../broker/subscribing.js'
import { toPushError } from '../core/errors.js'
import { decodeClientFrame } from '../protocol/codec.js'
import { codes, type Code } from '../protocol/codes.js'
import type { ClientFrame, HelloFrame, ServerFrame } from '../protocol/frames.js'
import type { ConnectionContext, ConnectionLog, Peer, Run, ServiceContext } from './context.js'
import { greet } from './handlers/hello.js'
import { handle } from './handlers/index.js'
import type { Session } from './session.js'
import type { Socket } from './socket.js'
import { Turns } from './turns.js'

/**
 * How many times `limits.bufferedBytes` may wait at the most. Records stop at the limit itself; answers do not, so that a peer which asks and
 * never reads has to be dropped somewhere.
 */
const BUFFERED_TIMES = 64

/** Frames, and characters of them, that may wait while a hello or a take-over is under way. */
const WAITING_FRAMES = 1024
const WAITING_LENGTH = 1024 * 1024

/**
 * - `new`: waits for the hello.
 * - `greeting`: the hello is being answered; frames wait.
 * - `guest`: welcomed; the first frame makes it the owner of its session. [P-2.7]
 * - `claiming`: that frame came; frames wait.
 * - `owner`: everything goes.
 * - `ended`: nothing is read or written any more.
 */
export type ConnectionState = 'new' | 'greeting' | 'guest' | 'claiming' | 'owner' | 'ended'

/** One connected client: takes its frames in order, owns all that has to be freed, and is where its subscriptions write. */
export class Connection implements ConnectionContext {
  readonly service: ServiceContext
  readonly log: ConnectionLog
  /** By channel. */
  readonly subscriptions = new Map<string, Started>()
  /** Publishers' runs, by channel. */
  readonly runs = new Map<string, Run>()
  /** Requests, in order by channel. */
  readonly turns = new Turns()
  /** Publishes without an answer. */
  publishing = 0
  state: ConnectionState = 'new'
  /** Set by the hello. */
  session: Session | null = null
  writable = true
  readonly #socket: Socket
  readonly #releases: (() => void)[] = []
  #authenticate: Peer['authenticate'] | null
  #waiting: ClientFrame[] = []
  /** What came since frames began to wait, in characters. */
  #waitingLength = 0
  // Since the last visit of the heartbeat.
  #wrote = false
  #heard = true
  #silentVisits = 0

  constructor (service: ServiceContext, { socket, log, authenticate }: Peer) {
    this.service = service
    this.log = log
    this.#socket = socket
    this.#authenticate = authenticate
    const { clock, settings } = service.broker
    this.#releases.push(clock.after(settings.limits.helloTimeout, () => {
      if (this.state === 'new' || this.state === 'greeting') this.end('PUSH_TIMEOUT')
    }))
    this.#releases.push(service.heartbeat.add(() => this.#guardedBeat()))
  }

  /** Whether it takes and writes nothing any more. */
  get ended (): boolean {
    return this.state === 'ended'
  }

  // ---- in

  /** A text from the peer, and its size in bytes if that is known. Never throws. */
  receive (text: string, bytes = text.length): void {
    if (this.state === 'ended') return
    this.#heard = true
    if (bytes > this.service.broker.settings.limits.frameBytes) return this.end('PUSH_TOO_LARGE')
    const decoded = decodeClientFrame(text)
    if (decoded.status === 'malformed') {
      this.log.debug({ why: decoded.why }, 'push: malformed frame')
      this.end('PUSH_BAD_FRAME')
    } else if (decoded.status === 'unknown') {
      this.send({ type: 'error', code: 'PUSH_BAD_FRAME', text: 'unknown type', ...(decoded.id === undefined ? {} : { id: decoded.id }) })
    } else {
      this.#waitingLength += text.length
      this.#take(decoded.frame)
    }
  }

  /** The peer sent what no text frame is. */
  receiveBinary (): void {
    this.end('PUSH_BAD_FRAME')
  }

  #take (frame: ClientFrame): void {
    switch (this.state) {
      case 'new':
        if (frame.type !== 'hello') return this.end('PUSH_BAD_FRAME')
        return this.#start('greeting', () => this.#greet(frame), 'guest')
      case 'guest':
        this.#start('claiming', () => this.#claim(), 'owner')
        this.#waiting.push(frame)
        return
      case 'greeting':
      case 'claiming':
        if (this.#waiting.push(frame) > WAITING_FRAMES || this.#waitingLength > WAITING_LENGTH) this.end('PUSH_TOO_MANY')
        return
      case 'owner':
        handle(this, frame)
    }
  }

  // Goes through a state in which frames wait; they are taken when it is over.
  #start (during: ConnectionState, work: () => Promise<void>, after: ConnectionState): void {
    this.state = during
    this.#waitingLength = 0
    work().then(() => {
      if (this.state !== during) return
      this.state = after
      const waiting = this.#waiting
      this.#waiting = []
      for (const frame of waiting) this.#take(frame)
    }).catch((error: unknown) => this.fail(error))
  }

  async #greet (hello: HelloFrame): Promise<void> {
    const authenticate = this.#authenticate as Peer['authenticate']
    this.#authenticate = null // it holds on to the upgrade request
    await greet(this, hello, authenticate(hello.token))
  }

  async #claim (): Promise<void> {
    const session = this.session as Session
    await session.claim(this)
    for (const started of this.subscriptions.values()) session.follow(started)
  }

  // ---- out

  /** Writes whole WebSocket frames. */
  write (frame: Uint8Array): void {
    if (this.state === 'ended') return
    this.#wrote = true
    if (this.#socket.write(frame)) return
    if (this.#socket.buffered > BUFFERED_TIMES * this.service.broker.settings.limits.bufferedBytes) return this.drop('PUSH_TOO_MANY')
    if (!this.writable) return
    this.writable = false
    this.#settle()
  }

  /** Encodes and writes one frame. */
  send (frame: ServerFrame): void {
    this.write(encodeFrame(frame))
  }

  /** The socket has room again. */
  drained (): void {
    if (this.writable || this.state === 'ended') return
    this.writable = true
    this.#settle()
  }

  #settle (): void {
    for (const { subscription } of this.subscriptions.values()) subscription.settle()
  }

  #guardedBeat (): void {
    try {
      this.#beat()
    } catch (error) {
      this.fail(error)
    }
  }

  // Visited twice an interval, so that no silence is longer than the interval. [P-7.1]
  #beat (): void {
    const { settings } = this.service.broker
    if (!this.#wrote && this.session !== null) this.send({ type: 'ping' })
    this.#wrote = false
    this.#silentVisits = this.#heard ? 0 : this.#silentVisits + 1
    this.#heard = false
    this.session?.keep(this.subscriptions.values())
    if (this.#silentVisits * this.service.heartbeat.period >= settings.limits.silence) this.drop('PUSH_TIMEOUT')
  }

  // ---- the end

  /** Ends with a code, in order: a goodbye, the closing handshake, and within the grace the socket is gone. */
  end (code: Code, after?: [number, number]): void {
    if (this.state === 'ended') return
    this.send({ type: 'goodbye', code, ...(after === undefined ? {} : { after }) })
    this.#free()
    this.#socket.close(codes[code].close ?? 4500, code)
  }

  /** Ends without waiting for a peer that is not there. */
  drop (code: Code): void {
    if (this.state === 'ended') return
    this.log.debug({ code }, 'push: connection dropped')
    this.#free()
    this.#socket.terminate()
    this.closed()
  }

  /** Ends because of an error that no answer can carry. */
  fail (error: unknown): void {
    const { code, cause } = toPushError(error, 'PUSH_INTERNAL')
    if (codes[code].status >= 500) this.log.warn({ err: cause ?? error, code }, 'push: connection failed')
    this.end(codes[code].close === null ? 'PUSH_UNAVAILABLE' : code)
  }

  /** The socket is gone. */
  closed (): void {
    this.#free()
    this.service.forget(this, this.session?.key ?? null)
  }

  #free (): void {
    if (this.state === 'ended') return
    this.state = 'ended'
    this.#waiting = []
    for (const release of this.#releases) release()
    this.session?.release(this.subscriptions.values())
    for (const started of this.subscriptions.values()) started.release()
    this.subscriptions.clear()
    this.runs.clear()
  }
}
