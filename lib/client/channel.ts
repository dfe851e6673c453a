import type { Gap, Message, Position, QoS } from '../../types/message.js'
import { PushError } from '../core/errors.js'
import { isPosition } from '../core/position.js'
import type { PresenceOptions, PresencePage } from '../../types/presence.js'
import type { HistoryPage, HistoryOptions } from '../../types/push.js'
import { MessageIterator } from './message-iterator.js'
import type { HandlerPolicy } from './options.js'
import type { Published } from './outbox.js'
import type { PublishOptions } from './publish-frame.js'
import type { PresentMember } from './roster.js'
import type { ChannelVerdict } from './subscription.js'
import type { JoinOptions, Subscribed } from './subscriptions.js'

export interface SubscribeOptions {
  /** Default 1. Handlers of one channel share one subscription at the highest QoS among them. */
  qos?: QoS
  /** So many messages back. Counts where there is no cursor yet; for a handler that joins others it is read for that handler alone. */
  rewind?: number
  /** Where to go on from. Counts, like `rewind`, where there is no cursor yet. */
  from?: Position
  /** What happens when this handler throws. Default: the client's `onError`. */
  onError?: Partial<HandlerPolicy>
}

/** What a channel tells. */
export type ChannelEvents = {
  /** Messages are missing that should have come. Told in order with the messages. */
  gap: [gap: Gap]
  /** A handler failed too often (`PUSH_HANDLER_FAILED`, with its error as the cause), or the server refused the subscription. */
  error: [error: PushError]
  /** How the subscription goes on after subscribing or reconnecting. */
  verdict: [verdict: ChannelVerdict]
  /** A client came, or is there: whoever listens is told first of those who are, with the cause `list`. While anybody listens to this or the next two the channel is watched. */
  join: [member: PresentMember]
  /** A client is a member no more. Its data is the last one known. */
  leave: [member: PresentMember]
  /** A member has other data. */
  update: [member: PresentMember]
}

/** A channel, as a client sees it. The object holds nothing: make as many as you like. */
export interface Channel<Data = unknown> extends AsyncIterable<Message<Data>> {
  readonly name: string
  /**
   * Hands messages over, one after the other; the next one once all handlers of the channel have settled. A message is acknowledged when its handlers' promises
   * have resolved. Throws `PUSH_INVALID` for options that make no sense; what the server says is in `ready`.
   */
  subscribe (handler: (message: Message<Data>) => unknown, options?: SubscribeOptions): Subscribed
  /** The messages as an async iterator at QoS 1. Each is acknowledged when the next one is asked for. */
  [Symbol.asyncIterator] (): AsyncIterableIterator<Message<Data>>
  /**
   * Publishes. At QoS 1 and 2 resolves once the server has stored it, however often the connection is lost; at QoS 0 once it was handed to the socket.
   * Rejects with the code of the server's refusal, or `PUSH_UNKNOWN` (it may be stored; the error has the message's `id`), `PUSH_INVALID`, `PUSH_TOO_LARGE`, `PUSH_OFFLINE` (QoS 0 only),
   * `PUSH_OUTBOX_FULL`, `PUSH_ABORTED`, `PUSH_TIMEOUT` (its `ttl` ran out before it could be sent), `PUSH_CLOSED`. Need not be awaited: a rejection nobody looks at is not an unhandled one.
   */
  publish (data: Data, options?: PublishOptions): Promise<Published>
  /** Reads the log and moves no cursor. Waits for a connection. Rejects with the server's code, `PUSH_INVALID` for a query that makes no sense, or `PUSH_CLOSED`. */
  history (query?: HistoryOptions): Promise<HistoryPage<Data>>
  /**
   * How many messages this client has not acknowledged yet, as far back as the channel keeps them; up to the server's `limits.historyPage`. 0 where it never
   * subscribed. Needs no subscription, moves no cursor. Waits for a connection. Rejects with the server's code or `PUSH_CLOSED`.
   */
  unread (): Promise<number>
  /**
   * Enters the channel, so that others see this client there, with `data` if there is something to say; again to say something else. After a reconnect it
   * enters by itself, and nobody hears of it. Resolves when the server has taken it; rejects with the code of its refusal. Ends with `leave` or `close`, and where the server allows it no longer: then an `error` says so.
   */
  enter (data?: unknown): Promise<void>
  /** Ends that. Resolves when the server has taken it. */
  leave (): Promise<void>
  /** A page of who is there, and how many. What they entered with is the caller's word. Waits for a connection. Rejects with the server's code, `PUSH_INVALID` or `PUSH_CLOSED`. */
  presence<MemberData = unknown> (options?: PresenceOptions): Promise<PresencePage<MemberData>>
  /** Listens to who is there. What they entered with is the caller's word. Returns the release. */
  on<MemberData = unknown> (event: 'join' | 'leave' | 'update', listener: (member: PresentMember<MemberData>) => unknown): () => void
  /** Listens. Returns the release. */
  on<E extends keyof ChannelEvents> (event: E, listener: (...args: ChannelEvents[E]) => unknown): () => void
}

/** A channel that only the server publishes to, and only the client's user reads. */
export type ReadChannel<Data = unknown> = Omit<Channel<Data>, 'publish' | 'enter' | 'leave' | 'presence'>

/** The inbox of a client's user. Each client of a user has a cursor of its own. */
export interface Inbox<Data = unknown> extends ReadChannel<Data> {
  /**
   * What any one client of the user is to handle. The user has one cursor, from which one connected client at a time reads; the others stand in line, with `ready` resolved, until it is
   * their turn. At QoS 1 or 2 (default 1; `ready` rejects with `PUSH_INVALID` at QoS 0); `from` and `rewind` say nothing to the server. A client that
   * loses its turn finishes the message that its handlers work on, and the next client may get it too.
   */
  readonly any: ReadChannel<Data>
}

/** What a channel needs of its client. */
export interface ChannelContext {
  readonly policy: HandlerPolicy
  join (channel: string, handler: (message: Message) => unknown, options: JoinOptions): Subscribed
  publish (channel: string, data: unknown, options: PublishOptions): Promise<Published>
  history<Data> (channel: string, query: HistoryOptions): Promise<HistoryPage<Data>>
  unread (channel: string): Promise<number>
  enter (channel: string, data: unknown): Promise<void>
  leave (channel: string): Promise<void>
  presence<MemberData> (channel: string, options: PresenceOptions): Promise<PresencePage<MemberData>>
  on<E extends keyof ChannelEvents> (channel: string, event: E, listener: (...args: ChannelEvents[E]) => unknown): () => void
}

/** Makes the facade of a channel. */
export function channelOf<Data> (name: string, context: ChannelContext): Channel<Data> {
  const join = (handler: (message: Message<Data>) => unknown, options: SubscribeOptions, ended?: JoinOptions['ended']) => {
    const { qos = 1, rewind, from, onError } = options
    check(qos, rewind, from)
    return context.join(name, handler as (message: Message) => unknown, { qos, rewind, from, policy: { ...context.policy, ...onError }, ended, isPulled: ended !== undefined })
  }
  return {
    name,
    subscribe: (handler, options = {}) => join(handler, options),
    publish: (data, options = {}) => context.publish(name, data, options),
    history: (query = {}) => context.history<Data>(name, query),
    unread: () => context.unread(name),
    enter: (data) => context.enter(name, data),
    leave: () => context.leave(name),
    presence: <MemberData>(options: PresenceOptions = {}) => context.presence<MemberData>(name, options),
    on: <E extends keyof ChannelEvents>(event: E, listener: (...args: ChannelEvents[E]) => unknown) => context.on(name, event, listener),
    [Symbol.asyncIterator]: () => new MessageIterator<Data>((handler, ended) => join(handler as (message: Message<Data>) => unknown, {}, ended))
  }
}

// The server would close the connection on these.
function check (qos: QoS, rewind: number | undefined, from: Position | undefined): void {
  if (![0, 1, 2].includes(qos)) throw new PushError('PUSH_INVALID', 'qos must be 0, 1 or 2')
  if (rewind !== undefined && !(Number.isSafeInteger(rewind) && rewind >= 0 && rewind <= 1_000_000)) {
    throw new PushError('PUSH_INVALID', 'rewind must be an integer of 0 to 1,000,000')
  }
  if (from !== undefined && !isPosition(from)) throw new PushError('PUSH_INVALID', 'from must be a position')
}
