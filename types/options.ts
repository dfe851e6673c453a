import type { FastifyRequest } from 'fastify'
import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { TSchema } from 'typebox'
import type { ParamsOf } from './channels.js'
import type { ClientInfo, PublishEvent, SubscribeEvent } from './hooks.js'
import type { Message, QoS } from './message.js'
import type { DataOf } from './schema.js'
import type { StorageAdapter } from './storage.js'

export type { ClientInfo } from './hooks.js'

/** Milliseconds, or a number with a unit: `'250ms'`, `'30s'`, `'2m'`, `'12h'`, `'7d'`. */
export type Duration = number | string

/** Options of `app.register(fastifyPush, options)`. Everything has a default; wrong options end the start with `PUSH_OPTIONS`. */
export interface FastifyPushOptions {
  /** The WebSocket route, under the prefix it is registered with. Default `/push`. */
  path?: string
  /** As for any plugin: comes before `path`. */
  prefix?: string
  /** Where logs, cursors and sessions live. Default `memoryStorage()`: this process. */
  storage?: StorageAdapter
  /** Who connects. Without it every connection is anonymous, and a warning says so at start. */
  authenticate?: Authenticate
  /** Who may do what. Without it a declared channel is readable by whoever authenticated. */
  authorize?: Authorize
  /**
   * Whose pages may connect, by scheme, host and port: `['https://example.com']`; a function is asked with the `Origin` of each upgrade; `'*'` allows all.
   * Others are refused with HTTP 403 before anything is asked. Without an `Origin` it is no page, and a list lets it in. Default: the same host as the request's `Host`; a list takes the place of that, so it names your own origin too.
   */
  origins?: '*' | readonly string[] | ((origin: string | undefined, request: FastifyRequest) => boolean)
  /** The channels, by pattern: the same as calling `push.channel` for each. */
  channels?: Readonly<Record<string, ChannelOptions>>
  heartbeat?: {
    /** The server sends a frame at least this often. Default 25 s. */
    interval?: Duration
    /** How long past the interval a client waits before it suspects the link. Default 10 s. */
    timeout?: Duration
  }
  session?: {
    /** How long a session without a `clientId` outlives its connection, and how long a channel without history keeps records. Default 2 minutes. */
    ttl?: Duration
    /** How long a session with a `clientId` is kept after its client was last seen. Default 30 days. */
    namedTtl?: Duration
  }
  /** How long an `id` given to `publish` is remembered. Default 5 minutes. */
  idWindow?: Duration
  /** Who is here. */
  presence?: {
    /** Whether it is known of users if they are online: a user is while one of its clients is connected, or within its grace. Default `true`. */
    online?: boolean
    /** How long a client whose connection was lost is still a member: if it comes back within that, nobody hears of it. Default 15 s. */
    grace?: Duration
  }
  /** What the inbox of each user keeps. */
  inbox?: {
    /** Messages. Default 1,000. */
    limit?: number
    /** Age. Default 30 days. */
    ttl?: Duration
    /** Bytes. Default 1 MiB. */
    bytes?: number
    /** How long a message may wait before `onWaiting` is told. Default 30 s. */
    notifyAfter?: Duration
    /**
     * Told of a message that no client of its user has acknowledged within `notifyAfter`: time to reach the user another way, by a push notification service say. Told once, by the
     * node that sent the message; a node that ends takes what it watched with it. What it throws is logged. A hundred calls may be under way at once, each for `limits.hookTimeout`.
     * A node watches 100,000 messages for this; what is sent beyond that is not watched, but counted in `stats().unwatched`, and the log says so once.
     */
    onWaiting?: InboxListener
    /**
     * Told of a message whose own `ttl` has run out before any client of its user acknowledged it. Otherwise as `onWaiting`; of these a node watches another 100,000, and 64 MiB, until they
     * run out or are acknowledged by way of this node.
     */
    onExpired?: InboxListener
  }
  /**
   * Whether messages are compressed for clients that offer it (permessage-deflate, RFC 7692): once for all of them. Default `false`:
   * it costs time, and where secrets and what others may choose are in one message, its length tells something of the secret (CRIME, BREACH).
   */
  compression?: boolean | {
    /** Frames of fewer bytes are not compressed. Default 1,024. */
    threshold?: number
  }
  limits?: Limits
  /** Passed to `@fastify/websocket`, if this plugin is the one to register it. */
  websocket?: WebsocketPluginOptions
}

/** Hears of a message in an inbox that no client of its user has acknowledged. */
export type InboxListener = (unacknowledged: { readonly userId: string, readonly message: Message }) => unknown

/** What a peer can send or hold at the most. Where one is refused, the goodbye or the error names the limit. */
export interface Limits {
  /** Bytes of one frame. Default 64 KiB. */
  frameBytes?: number
  /** Time until the client's first frame. Default 10 s. */
  helloTimeout?: Duration
  /** Channels that one connection subscribes to, and that it enters. Default 1,000. */
  subscriptions?: number
  /** Unanswered publishes of one connection. Default 256. */
  publishesInFlight?: number
  /** Unanswered requests (all but publishes) of one connection. Default 1,024, or as many as `subscriptions`. */
  requestsInFlight?: number
  /**
   * Frames that one connection may send in a second, in the long run: WebSocket pings count, and so does every other frame. Two seconds' worth may come at once. Whoever
   * is faster is slowed down: nothing is read from it until it is within the rate again. Default 5,000.
   */
  framesPerSecond?: number
  /** The same for bytes, as they come over the network or, if that is more, as they are decompressed. Default 1 MiB. */
  bytesPerSecond?: number
  /** Connections of this process. One more is answered with HTTP 503. Default 50,000. */
  connections?: number
  /**
   * Connections of one address: `request.ip`, so behind a proxy set Fastify's `trustProxy`. Of IPv6, the network of 64 bits counts as one
   * address. One more is ended with `PUSH_TOO_MANY`, or answered with HTTP 429 where there are many of them. Default 10,000: offices and carriers share addresses.
   */
  connectionsPerIp?: number
  /** Connections of one `userId` to this process. One more is ended with `PUSH_TOO_MANY`, unless its session takes the place of a connection of its own. Default 100. */
  connectionsPerUser?: number
  /** The fraction of the heap's own limit beyond which nothing new begins: upgrades are answered with HTTP 503, subscriptions refused with `PUSH_BUSY`. Default 0.9; 1 never refuses. */
  heapUsed?: number
  /** Records of one subscription that are sent and not acknowledged. Default 256. */
  window?: number
  /** Bytes that wait in one connection before its subscriptions pause. Default 1 MiB. */
  bufferedBytes?: number
  /** Bytes that wait in all connections of this process. Beyond it those with the most are dropped: they come back, and go on from their cursors. Default 256 MiB. */
  bufferedBytesTotal?: number
  /** How long a reader that had caught up may be behind, where the channel's `slow` is `drop` or `disconnect`; if there is still no room for it then, it is slow. Default 5 s. */
  slowAfter?: Duration
  /** How long a connection whose buffer is full may take nothing at all before it is dropped, about: it is looked at twice in a `heartbeat.interval`. Default 30 s. */
  stalled?: Duration
  /** Messages in one page of history, which also ends at about 4 MiB. Default 1,000. */
  historyPage?: number
  /** Silence after which a connection is dropped. Default 300 s: hidden pages may sleep that long. */
  silence?: Duration
  /** Time for a closing handshake; then the connection is dropped. Default 2 s. */
  closeGrace?: Duration
  /** Time for `authenticate`, `authorize` and each hook that is awaited; then the answer is no. For `inbox.onWaiting` and `onExpired`: then it is logged, and the next message has its turn. Default 5 s. */
  hookTimeout?: Duration
  /** Messages and bytes that `publish(…, { wait: 'accepted' })` may leave waiting. Default 10,000 and 16 MiB. */
  acceptedMessages?: number
  acceptedBytes?: number
}

/** Who a connection is. */
export interface Identity {
  /** The user, 1 to 256 characters; may have many clients at once. */
  readonly userId: string
  /**
   * Until when it holds: a `Date`, or milliseconds since 1970 (of a JWT: `exp * 1000`). Then the connection ends with `PUSH_EXPIRED`, unless its client
   * has presented another token by then; clients with a `token` function do. Default: as long as the connection.
   */
  readonly expiresAt?: Date | number
  /** Whatever the host wants to see again in `authorize`. Stays on the server. */
  readonly claims?: unknown
}

/**
 * Says who connects, after the host's own hooks ran on the upgrade request. `token` is what the client was given.
 * `null`, or a throw of an error with a `statusCode` of 400 to 499, or of what a JWT library says of a token, refuse the connection with `PUSH_UNAUTHENTICATED`: the client stops. Any
 * other throw, or no answer in time, with `PUSH_UNAVAILABLE`: it comes back later.
 * Where the identity has an `expiresAt`, it is asked again with another `token` and the same request, as it was then: `renewal` is `true`. What it says then must be of the same user. An identity that
 * rests on the request and not on the token (a session) has to be looked up anew, or refused.
 */
export type Authenticate = (request: FastifyRequest, credentials: { readonly token: string | undefined, readonly renewal: boolean }) =>
  Identity | null | Promise<Identity | null>

/** What a client wants to do with a channel. `presence`: see who is in it; to enter needs `subscribe`. Of a user's clients the channel is `$user/` and the user, escaped as in URLs, with the parameter `userId`. */
export type Action = 'subscribe' | 'publish' | 'history' | 'presence'

/** An answer that holds for a time: it is kept for this client, action and channel. */
export interface TimedAnswer {
  readonly allow: boolean
  /** How long the answer holds. A subscription or membership is asked about again shortly before, and ends if the answer is no, or at that time if there is none. */
  readonly ttl: Duration
}

/**
 * Says whether a client may. `true` and `false` hold for this once: a subscription that was allowed stays, also when the client's token and claims change. `{ allow, ttl }` holds for `ttl`, and no longer.
 * Anything but a yes, or a throw of an error with a `statusCode` of 400 to 499, denies with `PUSH_FORBIDDEN`; any other
 * throw, or no answer in time, with `PUSH_UNAVAILABLE`.
 */
export type Authorize = (request: {
  readonly action: Action
  readonly channel: string
  /** What the pattern's parameters stand for. */
  readonly params: Readonly<Record<string, string>>
  readonly client: ClientInfo
}) => boolean | TimedAnswer | Promise<boolean | TimedAnswer>

/** What `authorize` of a channel is asked, with the parameters of its pattern. */
export type AuthorizeRequest<Params = Readonly<Record<string, string>>> = Omit<Parameters<Authorize>[0], 'params'> & { readonly params: Params }

/** How the channels of a pattern behave. Its parameters and its schema type the hooks. */
export interface ChannelOptions<Pattern extends string = string, Schema = TSchema> {
  /**
   * What messages are: a TypeBox schema, or any JSON Schema (draft 7). What clients and the server publish is validated before it is stored; anything else
   * is refused with `PUSH_INVALID`. References lead to parts of the schema: nothing is fetched. Default: any JSON.
   */
  schema?: Schema
  /**
   * What the log keeps, and that clients may read it. `true` for the defaults. Without it, records are kept for `session.ttl`
   * within the same bounds, and reading the history is refused.
   */
  history?: boolean | {
    /** Records. Default 1,000. */
    limit?: number
    /** Age. Default 7 days. */
    ttl?: Duration
    /** Bytes. Default 16 MiB. */
    bytes?: number
  }
  /** QoS of what the server publishes and names none. Default 1. Clients publish at 1 unless they say otherwise. */
  qos?: QoS
  /** Whether clients may publish. Default `false`. */
  clientPublish?: boolean
  /** Whether it has members: clients may enter and see who is there. Default `false`. */
  presence?: boolean | {
    /** As the plugin's `presence.grace`, for this channel. */
    grace?: Duration
    /** Bytes of JSON that a member may enter with, 65,536 at the most. Default 1 KiB. */
    data?: number
  }
  /**
   * What happens to a subscriber of QoS 1 or 2 that had caught up, then was behind for `limits.slowAfter`, and has no room even then:
   * because `limits.bufferedBytes` wait in its connection, or it has not acknowledged `limits.window` records. Default `catch-up`.
   */
  slow?: SlowPolicy
  /** Narrower than the plugin's: both must say yes. */
  authorize?: (request: AuthorizeRequest<ParamsOf<Pattern>>) => ReturnType<Authorize>
  /** Awaited, after the hooks of that name that `push.addHook` added. */
  onSubscribe?: (event: SubscribeEvent<ParamsOf<Pattern>>) => unknown
  /** Awaited, after the hooks of that name that `push.addHook` added. */
  onPublish?: (event: PublishEvent<ParamsOf<Pattern>, DataOf<Schema>>) => DataOf<Schema> | void | Promise<DataOf<Schema> | void>
}

/**
 * - `catch-up`: it stays on its cursor and reads the log as it can; nothing is lost that the log still has.
 * - `drop`: what came meanwhile is passed over once it has room again. A `gap` with reason `slow` says what.
 * - `disconnect`: its connection ends: with `PUSH_TOO_MANY`, or without a word where it is its buffer that is full. The client comes back, and goes on from its cursor.
 */
export type SlowPolicy = 'catch-up' | 'drop' | 'disconnect'
