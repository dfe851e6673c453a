import type { FastifyRequest } from 'fastify'
import type { Gap, Position, QoS } from './message.js'
import type { Member, PresenceCause } from './presence.js'

/** A connected client, as hooks see it. */
export interface ClientInfo {
  readonly clientId: string
  readonly userId?: string
  readonly claims?: unknown
}

/** What a pattern's parameters stand for, where the pattern is not known. */
export type AnyParams = Readonly<Record<string, string>>

/** A client has said who it is, and is about to be welcomed. */
export interface ConnectEvent {
  readonly client: ClientInfo
  /** The upgrade request. Do not keep it: it holds on to memory. Absent where there was none. */
  readonly request?: FastifyRequest
}

/** A connection that `onConnect` had let in has ended. */
export interface DisconnectEvent {
  readonly client: ClientInfo
  /** The code the server ended it with; `PUSH_CLOSED` where the client did; `null` where the link was lost. */
  readonly code: string | null
}

/** Who wants something: the client itself, or the server. */
export type Side = 'client' | 'server'

/** A client is about to follow a channel, for the first time or again after a reconnect; or the host lets it follow one by `clients(…).subscribe`. */
export interface SubscribeEvent<Params = AnyParams> {
  readonly channel: string
  readonly params: Params
  readonly client: ClientInfo
  readonly qos: QoS
  /** `server`: `clients(…).subscribe`, which nothing refuses. */
  readonly by: Side
}

/** A client follows a channel no more: it said so, or it may not any more. A connection that ends is told by `onDisconnect` instead. */
export interface UnsubscribeEvent<Params = AnyParams> {
  readonly channel: string
  readonly params: Params
  readonly client: ClientInfo
  /** `server`: `clients(…).unsubscribe`, or an answer of `authorize` has run out. */
  readonly by: Side
}

/** A message is about to be stored: it is no repeat, its publisher may publish it, and it is valid. */
export interface PublishEvent<Params = AnyParams, Data = unknown> {
  readonly channel: string
  readonly params: Params
  /** What was published, or what the hook before this one made of it. */
  readonly data: Data
  readonly id: string
  readonly qos: QoS
  /** Who publishes; `null` for the server itself. */
  readonly client: ClientInfo | null
}

/** Records were handed to a subscriber's connection, `from` and `to` included. */
export interface DeliverEvent {
  readonly channel: string
  readonly client: ClientInfo
  readonly epoch: string
  readonly from: number
  readonly to: number
}

/** A subscriber has acknowledged everything up to a position. */
export interface AckEvent {
  readonly channel: string
  readonly client: ClientInfo
  readonly position: Position
}

/** Messages will not reach a subscriber. */
export interface DropEvent {
  readonly channel: string
  readonly client: ClientInfo
  readonly count: number
  /**
   * - `qos0`: at QoS 0 it did not keep up.
   * - `slow`: it did not keep up with a channel whose `slow` is `drop`.
   * - `given-up`: its handler failed too often.
   */
  readonly reason: 'qos0' | 'slow' | 'given-up'
}

/** A member has come, gone or changed, by way of this node. */
export interface PresenceChange {
  /** Of the clients of a user: `$user/` and the user, escaped as in URLs. */
  readonly channel: string
  /** What the pattern's parameters stand for; of a user's clients `userId`. */
  readonly params: AnyParams
  readonly cause: PresenceCause
  readonly member: Member
}

/** A subscriber was told a gap. */
export interface GapEvent {
  readonly channel: string
  readonly client: ClientInfo
  readonly gap: Gap
}

/**
 * The hooks of `push.addHook`, by name. Those that are awaited refuse by throwing: an error with a `statusCode` of 400 to 499 refuses with `PUSH_FORBIDDEN`, a
 * `PushError` with its own code, any other, or no answer within `limits.hookTimeout`, with `PUSH_UNAVAILABLE`. Those that are told refuse nothing; what they throw is logged.
 */
export interface PushHooks {
  /** Awaited. */
  onConnect: (event: ConnectEvent) => unknown
  /** Told. */
  onDisconnect: (event: DisconnectEvent) => unknown
  /** Awaited, after `authorize`. Where the host subscribes a client (`by: 'server'`) it is told, and what it throws refuses nothing. */
  onSubscribe: (event: SubscribeEvent) => unknown
  /** Told. */
  onUnsubscribe: (event: UnsubscribeEvent) => unknown
  /** Awaited, after `authorize` and the schema. What it returns or resolves with, unless `undefined`, is what is stored; with a schema it is validated again: what is wrong then is an error of the host's, logged, and `PUSH_INTERNAL` to the publisher. */
  onPublish: (event: PublishEvent) => unknown
  /**
   * Told, once and on one node: a member has come, gone or changed. The node is the one that made the change: the one that the member is connected to, or, if that
   * node is gone, the one that let the member leave. A client coming online or going is a change of `$user/` and its user: of it those hooks are told that were added
   * on the instance that the plugin was registered on.
   */
  onPresence: (event: PresenceChange) => unknown
  /** Told: once for each batch and subscription. Messages that have no place in the log are not told. */
  onDeliver: (event: DeliverEvent) => unknown
  /** Told. */
  onAck: (event: AckEvent) => unknown
  /** Told, besides `onDeliver`: what a subscription that resumes is sent of what came before it was back. */
  onRedeliver: (event: DeliverEvent) => unknown
  /** Told. */
  onDrop: (event: DropEvent) => unknown
  /** Told. */
  onGap: (event: GapEvent) => unknown
}

/** The name of a hook. */
export type HookName = keyof PushHooks
