import { encodeFrame } from '../broker/encoding.js'
import type { Stay } from '../broker/presence.js'
import type { Subscription } from '../broker/subscription.js'
import { toPushError } from '../core/errors.js'
import { decodeClientFrame } from '../protocol/codec.js'
import { codes, type Code } from '../protocol/codes.js'
import type { ClientFrame, HelloFrame, ServerFrame } from '../protocol/frames.js'
import type { ConnectionContext, ConnectionLog, Credentials, Farewell, Grants, Peer, Run, ServiceContext } from './context.js'
import { greet } from './handlers/hello.js'
import { handle } from './handlers/index.js'
import type { Beating, Place } from './heartbeat.js'
import { Outgoing, type Writer } from './outgoing.js'
import type { Session } from './session.js'
import type { Socket } from './socket.js'
import { TimedGrants } from './timed-grants.js'
import { Throttle, type RateName, type Throttled } from './throttle.js'
import { Turns } from './turns.js'

/** Frames, and characters of them, that may wait while a hello or a take-over is under way. */
const WAITING_FRAMES = 8192
const WAITING_LENGTH = 1024 * 1024

/** Every so many waiting frames the socket is told once more not to read: one read from it may hold thousands. */
const PAUSE_FRAMES = 256

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
export class Connection implements ConnectionContext, Writer, Beating, Throttled {
  readonly service: ServiceContext
  readonly log: ConnectionLog
  /** By channel. */
  readonly subscriptions = new Map<string, Subscription>()
  /** Requests, in order by channel. */
  readonly turns = new Turns()
  /** Publishes without an answer. */
  publishing = 0
  state: ConnectionState = 'new'
  /** Set by the hello. */
  session: Session | null = null
  credentials: Credentials | null = null
  readonly #socket: Socket
  readonly outgoing: Outgoing
  readonly #throttle: Throttle
  readonly #place: Place
  #cancelHelloTimeout: (() => void) | null
  #authenticate: Peer['authenticate'] | null
  #request: Peer['request']
  /** Whether hooks hear of its end. */
  #entered = false
  /** The code it ended with; `null` where the link was lost. */
  #endedWith: Code | null = null
  #runs: Map<string, Run> | null = null
  #grants: Grants | null = null
  /** What is done once the hello has been answered. */
  #afterHello: (() => void)[] | null = null
  #stays: Map<string, Stay> | null = null // most are members nowhere
  #waiting: ClientFrame[] = []
  /** The length of all that ever waited, in characters. An owner's frames do not wait. */
  #waitingLength = 0
  // Since the last visit of the heartbeat.
  #heard = true
  #silentVisits = 0
  #stalledVisits = 0

  constructor (service: ServiceContext, { socket, log, authenticate, request }: Peer) {
    this.service = service
    this.log = log
    this.#socket = socket
    this.#authenticate = authenticate
    this.#request = request
    const { clock, settings, tick } = service.broker
    this.outgoing = new Outgoing({
      socket,
      tick,
      buffers: service.buffers,
      clock,
      bufferedBytes: settings.limits.bufferedBytes,
      compression: socket.compressed ? settings.compression : null
    }, this)
    this.#throttle = new Throttle(socket, service.broker, this)
    this.#cancelHelloTimeout = clock.after(settings.limits.helloTimeout, () => this.end('PUSH_TIMEOUT'))
    this.#place = service.heartbeat.add(this)
  }

  /** Publishers' runs, by channel. */
  get runs (): Map<string, Run> {
    this.#runs ??= new Map()
    return this.#runs
  }

  get grants (): Grants {
    this.#grants ??= new TimedGrants(this)
    return this.#grants
  }

  /** Where it has entered, by channel. */
  get stays (): Map<string, Stay> {
    this.#stays ??= new Map()
    return this.#stays
  }

  /** Whether it takes and writes nothing any more. */
  get ended (): boolean {
    return this.state === 'ended'
  }

  // ---- in

  /** A text from the peer, and its size in bytes if that is known. Never throws. */
  receive (text: string, bytes = text.length): void {
    this.#throttle.frame(bytes)
    if (this.state === 'ended') return
    if (this.outgoing.expired) return this.expire()
    this.#heard = true
    if (bytes > this.service.broker.settings.limits.frameBytes) return this.end('PUSH_TOO_LARGE')
    const decoded = decodeClientFrame(text)
    if (decoded.status === 'malformed') {
      this.log.debug({ why: decoded.why }, 'push: malformed frame')
      this.end('PUSH_BAD_FRAME')
    } else if (decoded.status === 'unknown') {
      this.send({ type: 'error', code: 'PUSH_BAD_FRAME', text: 'unknown type', ...(decoded.id === undefined ? {} : { id: decoded.id }) })
    } else {
      this.#take(decoded.frame, text.length)
    }
  }

  /** The peer sent what no text frame is. */
  receiveBinary (): void {
    this.end('PUSH_BAD_FRAME')
  }

  /** A WebSocket ping or pong, with so many bytes. It says nothing about the client: proxies send them too. */
  receiveControl (bytes: number): void {
    this.#throttle.frame(bytes)
  }

  /** Bytes came from the peer, of whatever. */
  came (bytes: number): void {
    this.#throttle.came(bytes)
  }

  /** So much came at once that to stop reading for a while does not make up for it. */
  tooMuch (limit: RateName, ms: number): void {
    this.end('PUSH_TOO_MANY', { limit, after: [Math.ceil(ms), Math.ceil(2 * ms)] })
  }

  // `length` in characters; 0 once it has waited.
  #take (frame: ClientFrame, length: number): void {
    switch (this.state) {
      case 'new':
        if (frame.type !== 'hello') return this.end('PUSH_BAD_FRAME')
        return this.#start('greeting', () => this.#greet(frame), 'guest')
      case 'guest':
        this.#start('claiming', () => this.#claim(), 'owner')
        return this.#wait(frame, length)
      case 'greeting':
      case 'claiming':
        return this.#wait(frame, length)
      case 'owner':
        handle(this, frame)
    }
  }

  // A client with many subscriptions and a full outbox sends them all at once: it is not read for a while, so that only what had been read waits.
  #wait (frame: ClientFrame, length: number): void {
    const frames = this.#waiting.push(frame)
    this.#waitingLength += length
    if (frames > WAITING_FRAMES || this.#waitingLength > WAITING_LENGTH) this.end('PUSH_TOO_MANY', { limit: 'waiting' })
    else if (frames % PAUSE_FRAMES === 0) this.#socket.pause()
  }

  // Goes through a state in which frames wait; they are taken when it is over.
  #start (during: ConnectionState, work: () => Promise<void>, after: ConnectionState): void {
    this.state = during
    work().then(() => {
      if (this.state !== during) return
      this.state = after
      const works = this.#afterHello ?? []
      this.#afterHello = null
      for (const work of works) work()
      const waiting = this.#waiting
      this.#waiting = []
      if (waiting.length >= PAUSE_FRAMES && !this.#throttle.pausing) this.#socket.resume()
      for (const frame of waiting) this.#take(frame, 0)
    }).catch((error: unknown) => this.fail(error))
  }

  async #greet (hello: HelloFrame): Promise<void> {
    const authenticate = this.#authenticate as Peer['authenticate']
    const request = this.#request
    this.#authenticate = null // it holds on to the upgrade request
    this.#request = undefined
    await greet(this, hello, authenticate, request)
    this.#forgetHelloTimeout()
  }

  /** The hooks have let it in: they hear of its end. */
  entered (): void {
    this.#entered = true
    if (this.ended) this.#tellEnd()
  }

  #forgetHelloTimeout (): void {
    this.#cancelHelloTimeout?.()
    this.#cancelHelloTimeout = null
  }

  async #claim (): Promise<void> {
    const session = this.session as Session
    await session.claim(this)
    for (const subscription of this.subscriptions.values()) session.follow(subscription)
    const stay = this.ended ? null : this.service.broker.presence.enterUser(session)
    if (stay !== null) this.stays.set(stay.channel.name, stay)
  }

  // ---- out

  /** Whether there is room. */
  get writable (): boolean {
    return this.outgoing.writable
  }

  /** Writes whole WebSocket frames. */
  write (frame: Uint8Array): void {
    this.outgoing.write(frame)
  }

  /** Encodes and writes one frame. */
  send (frame: ServerFrame): void {
    this.write(encodeFrame(frame))
  }

  /** The socket has room again. */
  drained (): void {
    this.outgoing.drained()
  }

  /** There is room now, or none any more. */
  settle (): void {
    for (const subscription of this.subscriptions.values()) subscription.settle()
  }

  /** Visited by the heartbeat. */
  beat (): void {
    try {
      this.#beat()
    } catch (error) {
      this.fail(error)
    }
  }

  // Visited twice an interval, so that no silence is longer than the interval. [P-7.1]
  #beat (): void {
    const { settings } = this.service.broker
    if (!this.outgoing.wrote && this.session !== null) this.send({ type: 'ping' })
    this.outgoing.wrote = false
    this.#silentVisits = this.#heard ? 0 : this.#silentVisits + 1
    this.#heard = false
    // What waits for a reader that takes nothing is memory: it has its cursor to come back to.
    this.#stalledVisits = this.outgoing.stands() && !this.writable ? this.#stalledVisits + 1 : 0
    this.session?.keep(this.subscriptions.values())
    const { period } = this.service.heartbeat
    if (this.#silentVisits * period >= settings.limits.silence) this.drop('PUSH_TIMEOUT')
    else if (this.#stalledVisits * period >= settings.limits.stalled) this.dropSlow()
  }

  // ---- the end

  /** Ends with a code, in order: a goodbye, the closing handshake, and within the grace the socket is gone. */
  end (code: Code, farewell: Farewell = {}): void {
    if (this.state === 'ended') return
    this.send({ type: 'goodbye', code, ...farewell })
    this.outgoing.end(true)
    if (this.ended) return // the reader did not keep up, of all moments now
    this.#free(code)
    this.#socket.close(codes[code].close ?? 4500, code)
  }

  /** Ends without waiting for a peer that is not there. */
  drop (code: Code): void {
    if (this.state === 'ended') return
    this.log.debug({ code }, 'push: connection dropped')
    this.#free(code)
    this.#socket.terminate()
    this.closed()
  }

  /** Ends without waiting, since the reader does not keep up: a closing handshake would wait behind all that it has not read. */
  dropSlow (): void {
    if (this.ended) return
    this.service.broker.counters.slowReaders++
    this.drop('PUSH_TOO_MANY')
  }

  /** Ends because its reader does not keep up with a channel that disconnects such readers. */
  disconnect (): void {
    if (!this.writable) return this.dropSlow()
    this.service.broker.counters.slowReaders++
    this.end('PUSH_TOO_MANY', { limit: 'slowAfter' })
  }

  whenWelcomed (work: () => void): void {
    if (this.state === 'new' || this.state === 'greeting') (this.#afterHello ??= []).push(work)
    else if (!this.ended) work()
  }

  leave (channel: string, replaced = false): void {
    this.#grants?.release(channel)
    const subscription = this.subscriptions.get(channel)
    if (subscription === undefined) return
    subscription.close()
    this.subscriptions.delete(channel)
    if (replaced) return
    const { client } = subscription
    const { name, params, rules } = this.service.broker.channels.reach(channel, client)
    rules.hooks.unsubscribe?.({ channel: name, params, client })
  }

  /** Takes and writes nothing from this moment on, in milliseconds since 1970. */
  endAt (timestamp: number): void {
    this.outgoing.until = timestamp
  }

  /** Its identity has run out. */
  expire (): void {
    this.outgoing.discard()
    this.end('PUSH_EXPIRED')
  }

  /** Ends because of an error that no answer can carry. */
  fail (error: unknown): void {
    const { code, cause } = toPushError(error, 'PUSH_INTERNAL')
    if (codes[code].status >= 500) this.log.warn({ err: cause ?? error, code }, 'push: connection failed')
    this.end(codes[code].close === null ? 'PUSH_UNAVAILABLE' : code)
  }

  /** The socket is gone. `close`: the close code of the peer, if it sent one. */
  closed (close?: number): void {
    this.#free(close === codes.PUSH_CLOSED.close ? 'PUSH_CLOSED' : null)
    this.service.forget(this, this.session?.key ?? null)
  }

  #free (code: Code | null): void {
    if (this.state === 'ended') return
    this.state = 'ended'
    this.#endedWith = code
    this.outgoing.end(false)
    this.#waiting = []
    this.#afterHello = null
    this.#throttle.release()
    this.service.heartbeat.remove(this, this.#place)
    this.#forgetHelloTimeout()
    this.credentials?.release()
    this.#grants?.releaseAll()
    this.session?.release(this.subscriptions.values())
    for (const subscription of this.subscriptions.values()) subscription.close()
    this.subscriptions.clear()
    this.#runs = null
    if (this.#stays !== null) this.#endStays(this.#stays)
    if (this.#entered) this.#tellEnd()
  }

  // Whoever closed in order does not come back. [P-12.7]
  #endStays (stays: Map<string, Stay>): void {
    for (const stay of stays.values()) this.service.broker.presence.ended(stay, this.#endedWith === 'PUSH_CLOSED')
    this.#stays = null
  }

  #tellEnd (): void {
    if (this.session !== null) this.service.broker.hooks.disconnect?.({ client: this.session.client, code: this.#endedWith })
  }
}
