import type { Side } from '../../types/hooks.js'
import { encodeFrame } from '../broker/encoding.js'
import type { Stay } from '../broker/stay.js'
import type { Subscription } from '../broker/subscription.js'
import { ANY_INBOX } from '../core/channel-name.js'
import { toPushError } from '../core/errors.js'
import { decodeClientFrame } from '../protocol/codec.js'
import { codes, type Code } from '../protocol/codes.js'
import type { ClientFrame, ServerFrame } from '../protocol/frames.js'
import type { ConnectionLog, Credentials, Farewell, Grants, Peer, Run, ServiceContext } from './context.js'
import { handle } from './handlers/index.js'
import { Liveness, type Living } from './liveness.js'
import { Opening, type Newcomer } from './opening.js'
import { Outgoing, type Writer } from './outgoing.js'
import type { Session } from './session.js'
import type { Socket } from './socket.js'
import { TimedGrants } from './timed-grants.js'
import { Throttle, type RateName, type Throttled } from './throttle.js'
import { Turns } from './turns.js'

/** One connected client: takes its frames in order, owns all that has to be freed, and is where its subscriptions write. */
export class Connection implements Living, Newcomer, Writer, Throttled {
  readonly service: ServiceContext
  readonly log: ConnectionLog
  /** By channel. */
  readonly subscriptions = new Map<string, Subscription>()
  /** Requests, in order by channel. */
  readonly turns = new Turns()
  /** Publishes without an answer. */
  publishing = 0
  /** Whether it takes and writes nothing any more. */
  ended = false
  /** Set by the hello. */
  session: Session | null = null
  credentials: Credentials | null = null
  readonly #socket: Socket
  readonly outgoing: Outgoing
  readonly #throttle: Throttle
  readonly #liveness: Liveness
  /** Until it owns its session. */
  #opening: Opening | null
  /** Whether hooks hear of its end. */
  #entered = false
  /** The code it ended with; `null` where the link was lost. */
  #endedWith: Code | null = null
  #runs: Map<string, Run> | null = null
  #grants: Grants | null = null
  #stays: Map<string, Stay> | null = null // most are members nowhere

  constructor (service: ServiceContext, peer: Peer) {
    const { socket, log } = peer
    this.service = service
    this.log = log
    this.#socket = socket
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
    this.#opening = new Opening(this, peer, this.#throttle)
    this.#liveness = new Liveness(this)
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

  // ---- in

  /** A text from the peer, and its size in bytes if that is known. Never throws. */
  receive (text: string, bytes = text.length): void {
    this.#throttle.frame(bytes)
    if (this.ended) return
    if (this.outgoing.expired) return this.expire()
    this.#liveness.heard = true
    if (bytes > this.service.broker.settings.limits.frameBytes) return this.end('PUSH_TOO_LARGE')
    const decoded = decodeClientFrame(text)
    if (decoded.status === 'malformed') {
      this.log.debug({ why: decoded.why }, 'push: malformed frame')
      this.end('PUSH_BAD_FRAME')
    } else if (decoded.status === 'unknown') {
      this.send({ type: 'error', code: 'PUSH_BAD_FRAME', text: 'unknown type', ...(decoded.id === undefined ? {} : { id: decoded.id }) })
    } else {
      this.take(decoded.frame, text.length)
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

  /** Takes a frame of so many characters; 0 once it has waited. Does nothing after the end. */
  take (frame: ClientFrame, length: number): void {
    if (this.ended) return
    if (this.#opening === null) handle(this, frame)
    else this.#opening.take(frame, length)
  }

  /** It owns its session now. */
  opened (): void {
    this.#opening = null
  }

  /** The hooks have let it in: they hear of its end. */
  entered (): void {
    this.#entered = true
    if (this.ended) this.#tellEnd()
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
    this.outgoing.reads.next() // those who have waited before those who have not
    for (const subscription of this.subscriptions.values()) subscription.settle()
  }

  // ---- the end

  /** Ends with a code, in order: a goodbye, the closing handshake, and within the grace the socket is gone. */
  end (code: Code, farewell: Farewell = {}): void {
    if (this.ended) return
    this.send({ type: 'goodbye', code, ...farewell })
    this.outgoing.end(true)
    if (this.ended) return // the reader did not keep up, of all moments now
    this.#free(code)
    this.#socket.close(codes[code].close ?? 4500, code)
  }

  /** Ends without waiting for a peer that is not there. */
  drop (code: Code): void {
    if (this.ended) return
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
    if (this.ended) return
    if (this.#opening === null) work()
    else this.#opening.whenWelcomed(work)
  }

  leave (channel: string, by: Side | null = 'client'): void {
    if (by === null || !this.#stays?.has(channel)) this.#grants?.release(channel)
    const subscription = this.subscriptions.get(channel)
    subscription?.close()
    this.subscriptions.delete(channel)
    if (channel === ANY_INBOX && by !== null) this.service.readers.leave(this)
    if (subscription === undefined || by === null) return
    const { client } = subscription
    const { name, params, rules } = this.service.broker.channels.reach(channel, client)
    rules.hooks.unsubscribe?.({ channel: name, params, client, by })
  }

  /** Takes and writes nothing from this moment on, in milliseconds since 1970. */
  endAt (timestamp: number): void {
    this.outgoing.until = timestamp
  }

  /** Its identity has run out. What the socket has not taken yet would still be sent before a goodbye: then it ends without. */
  expire (): void {
    if (this.ended) return
    this.outgoing.discard()
    if (this.#socket.buffered > 0) this.drop('PUSH_EXPIRED')
    else this.end('PUSH_EXPIRED')
  }

  /** Ends because of an error that no answer can carry. */
  fail (error: unknown): void {
    const { code, cause, retryable } = toPushError(error, 'PUSH_INTERNAL')
    const isOurs = codes[code].status >= 500
    if (isOurs) this.service.warn(this.log, cause ?? error, code)
    else this.log.debug({ err: cause ?? error, code }, 'push: connection refused')
    this.end(codes[code].close !== null ? code : retryable || isOurs ? 'PUSH_UNAVAILABLE' : 'PUSH_FORBIDDEN')
  }

  /** The socket is gone. `close`: the close code of the peer, if it sent one. */
  closed (close?: number): void {
    this.#free(close === codes.PUSH_CLOSED.close ? 'PUSH_CLOSED' : null)
    this.service.forget(this, this.session?.key ?? null)
  }

  #free (code: Code | null): void {
    if (this.ended) return
    this.ended = true
    this.#endedWith = code
    this.outgoing.end(false)
    this.#opening?.close()
    this.#opening = null
    this.#throttle.release()
    this.#liveness.release()
    this.credentials?.release()
    this.#grants?.releaseAll()
    this.session?.release(this.subscriptions.values())
    for (const subscription of this.subscriptions.values()) subscription.close()
    this.subscriptions.clear()
    this.service.readers.leave(this)
    this.#runs = null
    if (this.#stays !== null) this.#endStays(this.#stays)
    if (this.#entered) this.#tellEnd()
  }

  // Whoever closed in order does not come back, nor does whoever was sent away; where another connection took over, that one is here. [P-12.7]
  #endStays (stays: Map<string, Stay>): void {
    const code = this.#endedWith
    const staysAway = code !== null && code !== 'PUSH_SUPERSEDED' && codes[code].retry === 'never'
    for (const stay of stays.values()) this.service.broker.presence.ended(stay, staysAway)
    this.#stays = null
  }

  #tellEnd (): void {
    if (this.session !== null) this.service.broker.hooks.disconnect?.({ client: this.session.client, code: this.#endedWith })
  }
}
