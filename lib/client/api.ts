import type { AnyChannels, ChannelData, ChannelName, KnownChannel } from '../../types/channels.js'
import type { Message } from '../../types/message.js'
import type { PushError } from '../core/errors.js'
import type { Channel, Inbox } from './channel.js'
import type { User } from './presence.js'
import type { ClientState } from './states.js'

/** What a client tells. */
export type ClientEvents = {
  /** The state has changed. With `closed` that the application did not ask for: why. */
  state: [state: ClientState, error: PushError | null]
  /** A message of a channel that the server subscribed this client to on its own account; handlers of the channel get it too. */
  message: [message: Message]
  /** Whatever went wrong and no promise told: a token that could not be had, a store that failed, a handler that gave a message up, a connection that ended for good. */
  error: [error: PushError]
}

/**
 * How a client names a channel. Where its channels are known, the name says what its messages are, and a name that no pattern matches is a compile error;
 * where they are not, `Data` is the caller's word.
 */
export type ChannelOpener<Channels> = [keyof Channels] extends [never]
  ? <Data = unknown> (name: string) => Channel<Data>
  : <const Name extends ChannelName<Channels>> (name: Name & KnownChannel<Channels, Name>) => ChannelsNamed<Channels, Name>

// Of several names: one of their channels.
type ChannelsNamed<Channels, Name extends string> = Name extends string ? Channel<ChannelData<Channels, Name>> : never

/** A client of the push service. `Channels`: what is known of its channels, as `ChannelsOf` has it. */
export interface Client<Channels = AnyChannels> {
  readonly state: ClientState
  /** When the next attempt to connect begins, in milliseconds since 1970; `null` while none is due. */
  readonly retryAt: number | null
  /** A channel. Throws `PUSH_CHANNEL_INVALID` for what is no channel's name. */
  readonly channel: ChannelOpener<Channels>
  /** What was sent to this client's user. The server refuses it (`PUSH_FORBIDDEN`) to a client that is nobody. */
  readonly inbox: Inbox
  /** A user. Throws `PUSH_INVALID` for what is no string of 1 to 256 characters of well-formed Unicode. */
  user (id: string): User
  /** Listens. Returns the release. */
  on<E extends keyof ClientEvents> (event: E, listener: (...args: ClientEvents[E]) => unknown): () => void
  /** Connects; needed only with `connect: false`. Does nothing on a client that is connected, connecting or closed. */
  connect (): void
  /** Drops the connection, if there is one, and opens another now. */
  reconnect (): void
  /**
   * Ends for good. Hands no more messages over, and waits, `timeout` milliseconds (default 5,000) at the most, until handlers at work have settled, publishes are
   * acknowledged and QoS 2 acknowledgements are confirmed. What is outstanding then rejects with `PUSH_UNKNOWN` or `PUSH_CLOSED`. Never rejects.
   */
  close (options?: { timeout?: number }): Promise<void>
}
