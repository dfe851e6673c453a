import type { ConnectEvent, Side } from '../../types/hooks.js'
import type { QoS } from '../../types/message.js'
import type { Identity } from '../../types/options.js'
import type { Broker } from '../broker/broker.js'
import type { Channel } from '../broker/channels.js'
import type { Outlet } from '../broker/outlet.js'
import type { Answers } from '../broker/permissions.js'
import type { Stay } from '../broker/stay.js'
import type { Started } from '../broker/subscribing.js'
import type { Subscription } from '../broker/subscription.js'
import { PushError } from '../core/errors.js'
import type { Code } from '../protocol/codes.js'
import type { GoodbyeFrame, PublishFrame, ServerFrame } from '../protocol/frames.js'
import type { Buffers } from './buffers.js'
import type { Expiring, Expiry } from './expiry.js'
import type { Heartbeat } from './heartbeat.js'
import type { Session } from './session.js'
import type { Socket } from './socket.js'
import type { Turns } from './turns.js'

/** What a connection logs to: `request.log` of the upgrade request, or less. */
export interface ConnectionLog {
  debug (fields: object, text: string): void
  warn (fields: object, text: string): void
}

/** How one peer is let in. */
export interface Peer {
  readonly socket: Socket
  readonly log: ConnectionLog
  /** Says who the peer is; rejects to refuse it. `null`: anonymous. May be asked again, with another token: a `renewal`. */
  readonly authenticate: (token: string | undefined, renewal: boolean) => Promise<Identity | null>
  /** Where it comes from, if that is known. */
  readonly ip?: string | undefined
  /** The upgrade request, for hooks. Let go of once the peer is welcomed. */
  readonly request?: ConnectEvent['request']
}

/** What a goodbye says besides its code. */
export type Farewell = Omit<GoodbyeFrame, 'type' | 'code'>

/** Who reads what any one client of a user is to handle, and who stands in line. */
export interface Readers {
  /**
   * Subscribes a connection to it if it is its turn. Otherwise it stands in line from now on, is subscribed later on the server's own account, and this rejects with `PUSH_HELD`.
   * Rejects with `PUSH_INVALID` at QoS 0, with the storage's error, or with a code if the connection has no room or has ended.
   */
  attach (connection: ConnectionContext, channel: Channel, qos: QoS): Promise<Started>
  /** A connection wants it no more, or has ended; its subscription, if it had one, is closed. */
  leave (connection: ConnectionContext): void
}

/** What a connection sees of the service it belongs to. */
export interface ServiceContext {
  readonly broker: Broker
  readonly heartbeat: Heartbeat
  readonly buffers: Buffers
  /** Identities that end, by the wall clock. */
  readonly expiry: Expiry
  /** What is allowed for a time, by the monotonic clock. */
  readonly grants: Expiry
  readonly readers: Readers
  /** If this node vanished now: over how many milliseconds its clients should come back. */
  readonly spread: number
  /** Whether memory is nearly used up, and nothing new should begin. */
  readonly strained: boolean
  /** A connection knows its session now. Returns whether its user may have one more; if not, it was ended. */
  enter (connection: ConnectionContext, session: Session): boolean
  /** Warns that a connection failed, once in a while where many do for the same reason. */
  warn (log: ConnectionLog, cause: unknown, code: Code): void
  /** A connection is gone. */
  forget (connection: ConnectionContext, session: string | null): void
}

/** What one publisher sends to one channel on one connection. */
export interface Run {
  /** Whether nothing waits in it: it may then be forgotten, and the client is asked to restart it. */
  readonly idle: boolean
  /** Takes a frame of QoS 1 or 2. */
  push (frame: PublishFrame): void
}

/** The identity of a connection, where it ends at a time. */
export interface Credentials {
  /** Milliseconds that are left; `undefined` where it does not end any more. */
  readonly expiresIn: number | undefined
  /** Takes the identity of another token in place of the one before. Rejects with `PUSH_UNAUTHENTICATED`, also for another user, or `PUSH_UNAVAILABLE`. */
  renew (token: string): Promise<void>
  /** The connection ends otherwise. */
  release (): void
}

/** What hooks have answered a connection for a time. */
export interface Grants {
  /** The answers. Another object once they are forgotten. */
  readonly answers: Answers
  /** Forgets the answers, also those that are still to come. */
  forget (): void
  /** Who asks is not the same any more: forgets the answers, and asks about all that is allowed for a time. */
  renew (): void
  /** The subscription or membership of this channel is allowed until then; before that it is asked about again. `Infinity`: it is allowed. */
  hold (channel: Channel, until: number): void
  /** The client has nothing of this channel, by its name in frames, any more. */
  release (channel: string): void
  /** The connection has ended. */
  releaseAll (): void
}

/** A connection, as its handlers see it. */
export interface ConnectionContext extends Expiring {
  readonly service: ServiceContext
  readonly log: ConnectionLog
  /** Where its subscriptions write. */
  readonly outgoing: Outlet
  /** Whether there is room for more. */
  readonly writable: boolean
  /** By channel. */
  readonly subscriptions: Map<string, Subscription>
  /** Publishers' runs, by channel. */
  readonly runs: Map<string, Run>
  /** Where it has entered, by channel. */
  readonly stays: Map<string, Stay>
  /** Requests, in order by channel. */
  readonly turns: Turns
  /** Publishes without an answer. */
  publishing: number
  /** Set by the hello. */
  session: Session | null
  /** Set by the hello where the identity ends. */
  credentials: Credentials | null
  /** Whether it takes and writes nothing any more. */
  readonly ended: boolean
  /** The hooks have let it in: they hear of its end. */
  entered (): void
  /** What its hooks have answered for a time. Made when it is first asked for. */
  readonly grants: Grants
  /** Does something once the hello has been answered, or at once; not if it ends before. */
  whenWelcomed (work: () => void): void
  /** Ends a subscription, if there is one. Its stored cursor stays. `by`: who wants it, for hooks; `null`: another one takes its place, and no hook hears of an end. */
  leave (channel: string, by?: Side | null): void
  /** Takes and writes nothing from this moment on, in milliseconds since 1970. */
  endAt (timestamp: number): void
  /** Encodes and writes one frame. */
  send (frame: ServerFrame): void
  /** Ends with a code, in order: a goodbye, the closing handshake, and within the grace the socket is gone. */
  end (code: Code, farewell?: Farewell): void
  /** Ends without waiting for a peer that is not there. */
  drop (code: Code): void
  /** Ends because of an error that no answer can carry. */
  fail (error: unknown): void
}

/** The session of a connection that has been welcomed. */
export function sessionOf ({ session }: ConnectionContext): Session {
  if (session === null) throw new PushError('PUSH_INTERNAL')
  return session
}
