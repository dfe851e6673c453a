import type { TSchema } from 'typebox'
import type { AsyncApi, AsyncApiOptions } from './asyncapi.js'
import type { ChannelData, ChannelName, KnownChannel, PublishableData, PushChannels } from './channels.js'
import type { HookName, PushHooks } from './hooks.js'
import type { Message, Position, QoS } from './message.js'
import type { ChannelOptions } from './options.js'
import type { PresenceOptions, PresencePage } from './presence.js'

/**
 * `fastify.push`. Its methods need no `this`. Each Fastify instance has its own, of one and the same service: hooks hold for the channels that are declared on
 * the instance they were added on, and in its descendants. Where the host declares {@link PushChannels}, names and data are checked by the compiler.
 */
export interface Push<Channels = PushChannels> {
  /**
   * Declares the channels of a pattern, as a route is declared: `room/1`, `room/:id`, `news/*`. The most specific pattern wins.
   * Throws `PUSH_CHANNEL_INVALID` for a malformed pattern, `PUSH_CHANNEL_AMBIGUOUS` for one declared already, `PUSH_OPTIONS` for wrong options.
   */
  channel<Pattern extends string, Schema = TSchema> (pattern: Pattern, options?: ChannelOptions<Pattern, Schema>): void
  /**
   * Adds a hook, before the app is ready. Hooks of a channel run in this order: those of the outer instances first, then in the order in which they were
   * added, then the channel's own. Those of connections (`onConnect`, `onDisconnect`) hold for the whole service. Inboxes belong to the instance that the
   * plugin was registered on. Throws `PUSH_OPTIONS` for an unknown name, for what is no function, and once the app is ready.
   */
  addHook<Name extends HookName> (name: Name, hook: PushHooks[Name]): void
  /**
   * Publishes to a channel. Resolves by `wait`; rejects with a PushError that carries the message's `id`: refused with its
   * code, or, with `PUSH_UNKNOWN`, an unknown outcome: it may have been stored, and a retry with that id is safe.
   * Every rejection is logged and counted; one that nobody handles does not become an unhandled rejection.
   */
  publish<const Name extends ChannelName<Channels>> (channel: Name & KnownChannel<Channels, Name>, data: PublishableData<Channels, Name>, options?: PublishOptions): Promise<PublishResult>
  /**
   * Sends to a user, online or not: publishes to the user's inbox, where each of the user's clients has a cursor of its own, and a new client starts at what none of
   * them has acknowledged. As `publish`, with the same outcomes; `PUSH_INVALID` for what names no user.
   */
  send (userId: string, data: unknown, options?: SendOptions): Promise<PublishResult>
  /**
   * How many messages in a user's inbox no client of the user has acknowledged, up to `limits.historyPage`: of those for all clients (the default), or of those for any one.
   * Rejects with `PUSH_INVALID` for what names no user, and for another `deliver`.
   */
  unread (userId: string, options?: Pick<SendOptions, 'deliver'>): Promise<number>
  /** Reads the log. Moves no cursor. */
  history<const Name extends ChannelName<Channels>> (channel: Name & KnownChannel<Channels, Name>, options?: HistoryOptions): Promise<HistoryPage<ChannelData<Channels, Name>>>
  /**
   * Who has acknowledged the message at a position (of {@link PublishResult}), also those who came back later, for as long as their cursors live. It reads the
   * cursors at or beyond the position: nothing is stored for it, subscribers of QoS 0 have none, and whoever began to follow the channel after the message stands beyond it too. A position holds
   * for its own epoch: once the log goes on under another, clients that have moved on since are not listed any more. For an inbox: `{ userId }`, or
   * `{ userId, deliver: 'any' }`, where the cursor is the user's and `clientId` is `*`. Rejects with `PUSH_INVALID`.
   */
  receipt<const Name extends ChannelName<Channels>> (channel: (Name & KnownChannel<Channels, Name>) | InboxName, position: Position, options?: ReceiptOptions): Promise<Receipt>
  /** An AsyncAPI 3.0.0 document of the channels declared so far: what the server sends to clients, and receives from them. */
  asyncapi (options?: AsyncApiOptions): AsyncApi
  /**
   * The clients of a user, one client, or that client of that user: those that are connected to any node. Throws `PUSH_INVALID` for an empty target or an unknown key.
   * The other nodes are told over the storage's feed: one that is cut off from the storage at that moment does not hear of it.
   */
  clients (target: ClientsTarget): Clients<Channels>
  /** Who is in a channel, and how many. Rejects with `PUSH_NO_PRESENCE` for a channel that was declared without `presence`, `PUSH_INVALID` for wrong options. */
  presence<const Name extends ChannelName<Channels>> (channel: Name & KnownChannel<Channels, Name>, options?: PresenceOptions): Promise<PresencePage>
  /** The clients of a user, escaped as in URLs. Rejects with `PUSH_NO_PRESENCE` with the option `presence.online: false`. */
  presence (channel: `$user/${string}`, options?: PresenceOptions): Promise<PresencePage>
  /** The same, and what members entered with, which is the caller's word. */
  presence<MemberData> (channel: ChannelName<Channels>, options?: PresenceOptions): Promise<PresencePage<MemberData>>
  /** Whether a user is online: one of its clients is connected to any node, or was until a moment ago. Rejects with `PUSH_INVALID`, and `PUSH_NO_PRESENCE` with the option `presence.online: false`. */
  online (userId: string): Promise<boolean>
  /** Which of these users are online, in their order; 10,000 of them at the most. */
  online (userIds: readonly string[]): Promise<string[]>
  /** When the last client of a user left; `null` while the user is online, and if that is not known (any more): it is kept for `session.namedTtl`. Rejects as `online` does. */
  lastSeen (userId: string): Promise<Date | null>
  /** Numbers since the start, and of now. */
  stats (): PushStats
}

/** Whom a host means: all clients of a user, a client by its `clientId` (of whichever user), or both. */
export type ClientsTarget = { readonly userId: string, readonly clientId?: string } | { readonly clientId: string, readonly userId?: string }

/**
 * What a host does to clients. Each call resolves when it has been done on this node and the storage's feed has taken it for the others, and rejects with a coded
 * error; a rejection that nobody handles is logged, and no unhandled one.
 */
export interface Clients<Channels = PushChannels> {
  /**
   * Subscribes them to a channel, without asking `authorize`; `onSubscribe` is told and refuses nothing. When they come back and ask for it again, it is asked as usual. Nothing changes for those that have it at this
   * QoS (default 1) or a higher one. Rejects with `PUSH_CHANNEL_UNKNOWN`, `PUSH_CHANNEL_INVALID`, `PUSH_INVALID`, or the storage's code.
   */
  subscribe<const Name extends ChannelName<Channels>> (channel: Name & KnownChannel<Channels, Name>, options?: { readonly qos?: QoS }): Promise<void>
  /**
   * Ends at once what they have of a channel: their subscriptions of it and of its presence, whose cursors are forgotten, and their membership. What `authorize` has answered them for a
   * time is forgotten. They are told with `PUSH_FORBIDDEN`, and do not ask again by themselves; if they ask, so is `authorize`.
   */
  unsubscribe<const Name extends ChannelName<Channels>> (channel: Name & KnownChannel<Channels, Name>): Promise<void>
  /** Ends their connections with a code that says whether they come back (default `PUSH_GOING_AWAY`), and a reason for people, 256 characters at the most. */
  disconnect (options?: { readonly code?: DisconnectCode, readonly reason?: string }): Promise<void>
}

/**
 * With what a host may end connections.
 * - `PUSH_GOING_AWAY`, `PUSH_UNAVAILABLE`, `PUSH_TOO_MANY`: the client comes back after a while.
 * - `PUSH_EXPIRED`: it comes back at once, and says anew who it is.
 * - `PUSH_UNAUTHENTICATED`: one with a `token` function comes back once, with another token; others stay away.
 * - `PUSH_FORBIDDEN`: it stays away.
 */
export type DisconnectCode = 'PUSH_GOING_AWAY' | 'PUSH_EXPIRED' | 'PUSH_UNAVAILABLE' | 'PUSH_TOO_MANY' | 'PUSH_UNAUTHENTICATED' | 'PUSH_FORBIDDEN'

export interface PublishOptions {
  /** Default: the channel's, which is 1 unless declared otherwise. */
  qos?: QoS
  /**
   * An id of your own, 1 to 128 characters: the same id again within `idWindow` is recognised and stored once. The same id
   * with other data is refused with `PUSH_ID_CONFLICT`.
   */
  id?: string
  /** How long the message is of use, in milliseconds or as a duration. Default: as long as the channel keeps it. */
  ttl?: number | string
  /**
   * What to wait for. Default `stored`.
   * - `accepted`: it is valid and queued in bounded memory (full: refused with `PUSH_BUSY`); it is lost with the process.
   * - `stored`: the log has it.
   * - `delivered`: those who are connected to this node have acknowledged it, or `timeout` is over.
   */
  wait?: 'accepted' | 'stored' | 'delivered'
  /** Whether the result can say who acknowledged the message. Costs nothing until it is asked. Needs a place in the log: with `wait: 'accepted'` refused with `PUSH_INVALID`. */
  receipt?: boolean
  /** For `wait: 'delivered'`. Default 5 s. */
  timeout?: number | string
}

/**
 * Which of a user's clients a message is for.
 * - `all`: each of them has a cursor of its own and gets it.
 * - `any`: the user has one cursor, and one connected client at a time reads there and handles the message; the others stand in line. A client that vanishes after it has handled
 *   a message and before its acknowledgement is stored leaves it to the next one, which handles it again.
 */
export type Deliver = 'all' | 'any'

export interface SendOptions extends PublishOptions {
  /** Default `all`. */
  deliver?: Deliver
}

/** The inbox of a user. `deliver`: default `all`. */
export interface InboxName {
  readonly userId: string
  readonly deliver?: Deliver
}

export interface ReceiptOptions {
  /** Clients at the most, of each list. Default 100; more than `limits.historyPage` is cut to it. */
  limit?: number
  /** The `next` of the page before. */
  after?: string
}

export interface Receipt {
  /** The clients that have acknowledged the message, or began to follow the channel after it, in no order that means anything. */
  readonly acknowledged: ReadonlyArray<{ readonly clientId: string, readonly userId?: string }>
  /** Clients connected to this node that were sent the message and have not acknowledged it yet: `limit` of them at the most, and only in the first page. */
  readonly pending: ReadonlyArray<{ readonly clientId: string, readonly userId?: string }>
  /** Pass it as `after` for the next page of `acknowledged`; `null` at the end. */
  readonly next: string | null
}

export interface PublishResult {
  readonly id: string
  /** `null` where it has no place in the log or the place is not known (yet). */
  readonly position: Position | null
  /** It had been stored before, under the same id. */
  readonly duplicate: boolean
  /** With `receipt: true`: reads {@link Push.receipt} of this message. */
  readonly receipt?: (options?: ReceiptOptions) => Promise<Receipt>
  /** With `wait: 'delivered'`: how many subscriptions have acknowledged, and how many had not when the wait ended. */
  readonly delivered?: { readonly acknowledged: number, readonly pending: number }
}

export interface HistoryOptions {
  /** Messages at the most. Default 50; more than `limits.historyPage` is cut to it, and a page also ends at about 4 MiB. */
  limit?: number
  /** Only what lies before this position. To page back, ask with `reverse`, and then again with `before` as `next` says. */
  before?: Position
  /** Only what lies after this position. */
  after?: Position
  /** The newest first. */
  reverse?: boolean
}

export interface HistoryPage<Data = unknown> {
  /** Without `after`: the newest ones, in the order of the log unless `reverse`. */
  readonly messages: ReadonlyArray<Message<Data>>
  /** Pass it as `after` (in reverse: as `before`) for the next page; `null` at the end. */
  readonly next: Position | null
  /** The newest position of the log. */
  readonly head: Position
}

export interface PushStats {
  /** Connections that are open on this node. */
  readonly connections: number
  /** New connections refused since the start, because of a limit of connections or memory. */
  readonly refusedConnections: number
  /** Subscriptions on this node. */
  readonly subscriptions: number
  /** Channels somebody on this node follows. */
  readonly channels: number
  /** Messages stored through this node. */
  readonly stored: number
  /** Publishes recognised as repeats. */
  readonly duplicates: number
  /** Publishes of clients that were refused. */
  readonly refused: number
  /** Records and messages written to connections. */
  readonly delivered: number
  /** Messages not delivered because a subscriber did not keep up: at QoS 0, or where the channel's `slow` is `drop`. */
  readonly dropped: number
  /** Messages that a client's handlers gave up. */
  readonly givenUp: number
  /** Gaps told to subscribers. */
  readonly gaps: number
  /** Acknowledgements that made no sense and were ignored. */
  readonly ignoredAcks: number
  /** `wait: 'accepted'`: waiting now, and failed since the start. */
  readonly accepted: { readonly waiting: number, readonly failed: number }
  /** Connections ended because their readers did not keep up. */
  readonly slowReaders: number
  /** Messages to users that `inbox.onWaiting` or `inbox.onExpired` could not watch, because too many were watched. */
  readonly unwatched: number
  /** Calls of `publish` that were rejected. */
  readonly failed: number
}
