import type { AnyChannels, ChannelData, ChannelName, KnownChannel } from '../../types/channels.js'
import type { Message } from '../../types/message.js'
import { INBOX, isChannelName } from '../core/channel-name.js'
import { PushError } from '../core/errors.js'
import type { HelloFrame, ServerFrame, WelcomeFrame } from '../protocol/frames.js'
import { Acks } from './acks.js'
import { Backoff } from './backoff.js'
import { channelOf, type Channel, type ChannelEvents, type Inbox } from './channel.js'
import { Emitter } from './emitter.js'
import { readHistory } from './history.js'
import { Membership } from './membership.js'
import { settingsOf, type ClientOptions } from './options.js'
import type { Platform } from './platform/platform.js'
import { readPresence, Watches, type User } from './presence.js'
import { Publisher } from './publisher.js'
import { Renewal } from './renewal.js'
import { Requests } from './requests.js'
import type { PresentMember } from './roster.js'
import { SavedState } from './saved-state.js'
import { Session } from './session.js'
import type { ClientState } from './states.js'
import { Subscriptions } from './subscriptions.js'
import { countUnread } from './unread.js'

/** How long `close()` waits for what is outstanding, unless told otherwise. Milliseconds. */
const CLOSE_TIMEOUT = 5_000

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
  /** A user. Throws `PUSH_INVALID` for what is no string of 1 to 256 characters. */
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

/** Composes a client for a platform. Throws `PUSH_OPTIONS`. */
export function openClient<Channels = AnyChannels> (url: string, options: ClientOptions, platform: Platform): Client<Channels> {
  // What a channel's messages are is only known to the compiler.
  return new PushClient(url, options, platform) as Client as Client<any>
}

class PushClient implements Client {
  readonly #session: Session
  readonly #saved: SavedState
  readonly #acks: Acks
  readonly #requests: Requests
  /** Where the token may be another one the next time. */
  readonly #renewal: Renewal | null
  readonly #subscriptions: Subscriptions
  readonly #membership: Membership
  readonly #watches: Watches
  readonly #publisher: Publisher
  readonly #platform: Platform
  readonly #clientId: string | undefined
  readonly #emitter = new Emitter<ClientEvents>((error, event) => { if (event !== 'error') this.#onListenerError(error) })
  readonly #channels = new Map<string, Emitter<ChannelEvents>>()
  readonly #channelContext: Parameters<typeof channelOf>[1]
  #loading: Promise<void> | null = null
  #closing: Promise<void> | null = null
  #saving: Promise<void> | undefined
  /** Looks whether `close()` may go on. */
  #check: () => void = () => {}

  constructor (url: string, options: ClientOptions, platform: Platform) {
    const settings = settingsOf(options)
    const { clock } = platform
    const secret = () => platform.secret()
    const backoff = () => new Backoff(settings.reconnect, () => platform.random())
    const onProgress = () => this.#check()
    const onError = (error: PushError) => this.#emitter.emit('error', error)
    this.#platform = platform
    this.#clientId = settings.clientId
    const { connectTimeout, token, renewsToken, store } = settings
    const session = this.#session = new Session({ platform, url, connectTimeout, token, renewsToken }, settings.reconnect, {
      hello: (token) => this.#hello(token),
      welcome: (frame) => this.#welcome(frame),
      frame: (frame) => this.#route(frame),
      down: () => this.#down(),
      state: (state, error) => this.#onState(state, error),
      error: onError,
      hiding: () => this.#hiding()
    })
    this.#saved = new SavedState({
      store,
      key: `fastify-push:${settings.clientId ?? ''}@${url}`,
      clock,
      secret: secret(),
      outbox: () => this.#publisher.save(),
      onError: (cause) => onError(new PushError('PUSH_STORAGE_UNAVAILABLE', 'the store failed', { cause }))
    })
    this.#acks = new Acks({ wire: session, clock, delay: settings.ackDelay, saved: this.#saved, onProgress })
    const requests = this.#requests = new Requests(session)
    this.#renewal = renewsToken ? new Renewal({ clock, requests, token, timeout: connectTimeout, onError }) : null
    this.#subscriptions = new Subscriptions({
      clock,
      wire: session,
      requests,
      acks: this.#acks,
      backoff,
      onGap: (gap) => this.#channels.get(gap.channel)?.emit('gap', gap),
      onVerdict: (verdict) => this.#channels.get(verdict.channel)?.emit('verdict', verdict),
      onError: (channel, error) => this.#onChannelError(channel, error),
      onProgress,
      onMessage: (message) => this.#emitter.emit('message', message)
    }, this.#saved)
    const onMemberError = (channel: string, error: PushError) => this.#onChannelError(channel, error)
    const join: Parameters<typeof channelOf>[1]['join'] = (channel, handler, options) => this.#subscriptions.join(channel, handler, options)
    this.#membership = new Membership({ clock, wire: session, requests: this.#requests, backoff, onError: onMemberError })
    this.#watches = new Watches({
      clock,
      requests: this.#requests,
      backoff,
      join,
      on: (channel, event, listener) => this.#onChannel(channel, event, listener),
      onError: onMemberError,
      tell: (channel, error) => this.#channels.get(channel)?.emit('error', error),
      onThrow: (error) => this.#onListenerError(error)
    })
    this.#publisher = new Publisher({ wire: session, clock, saved: this.#saved, limits: settings.outbox, secret, backoff, onError, onProgress })
    this.#channelContext = {
      policy: settings.onError,
      join,
      publish: (channel, data, publish) => this.#publisher.publish(channel, data, publish),
      history: (channel, query) => readHistory(this.#requests, channel, query),
      unread: (channel) => countUnread(this.#requests, channel),
      enter: (channel, data) => this.#membership.enter(channel, data),
      leave: (channel) => this.#membership.leave(channel),
      presence: (channel, options) => readPresence(this.#requests, channel, options),
      on: (channel, event, listener) => this.#onChannel(channel, event, listener)
    }
    // Not at once: what is subscribed to in the same turn travels in the upgrade request.
    if (options.connect !== false) Promise.resolve().then(() => this.connect())
  }

  get state (): ClientState {
    return this.#session.state
  }

  get retryAt (): number | null {
    return this.#session.retryAt
  }

  channel<Data = unknown> (name: string): Channel<Data> {
    if (!isChannelName(name)) throw new PushError('PUSH_CHANNEL_INVALID', `not a channel name: ${JSON.stringify(name)}`)
    return channelOf<Data>(name, this.#channelContext)
  }

  get inbox (): Inbox {
    const { publish, enter, leave, presence, ...inbox } = channelOf(INBOX, this.#channelContext)
    return inbox
  }

  user (id: string): User {
    if (typeof id !== 'string' || id.length === 0 || id.length > 256) throw new PushError('PUSH_INVALID', 'a user is a string of 1 to 256 characters')
    return { id, on: (event, listener) => this.#watches.onUser(id, event, listener) }
  }

  on<E extends keyof ClientEvents> (event: E, listener: (...args: ClientEvents[E]) => unknown): () => void {
    return this.#emitter.on(event, listener)
  }

  connect (): void {
    if (this.state === 'idle') this.#open()
  }

  reconnect (): void {
    this.#open()
  }

  close ({ timeout = CLOSE_TIMEOUT }: { timeout?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(timeout)
    return this.#closing
  }

  #open (): void {
    if (this.#saved.loaded) this.#session.open()
    else this.#load().then(() => { if (this.#closing === null) this.connect() })
  }

  #load (): Promise<void> {
    this.#loading ??= this.#saved.load((outbox) => {
      if (this.state === 'closed') return // what the store holds is the next client's
      this.#publisher.restore(outbox)
      this.#subscriptions.restore()
      this.#saved.touch()
    })
    return this.#loading
  }

  async #close (timeout: number): Promise<void> {
    if (this.state === 'closed') return
    this.#publisher.stop(new PushError('PUSH_CLOSED'))
    // What is new is saved together with what an earlier process left, or not at all.
    if (!this.#saved.loaded && !this.#publisher.settled) await this.#bounded(this.#load(), timeout)
    if (this.state !== 'idle') await this.#settled(timeout)
    await new Promise<void>((resolve) => this.#session.close(null, resolve))
    await this.#bounded(this.#saving, timeout)
  }

  /** Resolves when nothing is outstanding, or after `timeout`. */
  #settled (timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        release()
        this.#check = () => {}
        resolve()
      }
      const release = this.#platform.clock.after(timeout, done)
      this.#check = () => {
        const isDone = this.#subscriptions.drain() && this.#publisher.settled && this.#acks.settled
        if (isDone || this.state === 'closed') done()
      }
      this.#check()
    })
  }

  #bounded (work: Promise<void> | undefined, timeout: number): Promise<void> {
    if (work === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      const release = this.#platform.clock.after(timeout, resolve)
      work.then(() => {
        release()
        resolve()
      })
    })
  }

  #hello (token: string | undefined): HelloFrame {
    const clientId = this.#clientId
    return {
      type: 'hello',
      session: this.#saved.session,
      ...(clientId !== undefined && { clientId }),
      ...(token !== undefined && { token }),
      subscriptions: this.#subscriptions.hello()
    }
  }

  #welcome (frame: WelcomeFrame): void {
    this.#renewal?.begin(frame.expiresIn)
    this.#acks.welcome(frame)
    this.#publisher.welcome(frame)
    this.#requests.resend()
    this.#subscriptions.welcome(frame)
    this.#membership.welcome(frame)
    this.#publisher.pump()
  }

  #route (frame: ServerFrame): void {
    switch (frame.type) {
      case 'messages': return this.#subscriptions.messages(frame)
      case 'skip': return this.#subscriptions.skip(frame)
      case 'gap': return this.#subscriptions.gap(frame)
      case 'published': return this.#publisher.published(frame)
      case 'refused': return this.#publisher.refused(frame)
      case 'confirmed': return this.#acks.confirmed(frame)
      case 'subscribed': return frame.id === undefined ? this.#subscriptions.granted(frame) : this.#requests.answer(frame)
      case 'unsubscribed': return frame.id === undefined ? this.#subscriptions.revoked(frame) : this.#requests.answer(frame)
      case 'history':
      case 'unread':
      case 'token':
      case 'entered':
      case 'left':
      case 'presence':
      case 'error': return this.#requests.answer(frame)
    }
    // A frame of a newer server says nothing to this client.
  }

  #down (): void {
    this.#renewal?.stop()
    this.#subscriptions.down()
    this.#requests.down()
    this.#membership.down()
    this.#publisher.down()
  }

  #hiding (): void {
    this.#acks.flush()
    this.#saved.flush()
  }

  #onState (state: ClientState, error: PushError | null): void {
    if (state === 'closed') this.#end(error)
    this.#emitter.emit('state', state, error)
    if (error !== null) this.#emitter.emit('error', error)
  }

  #end (error: PushError | null): void {
    const reason = error ?? new PushError('PUSH_CLOSED')
    this.#saving = this.#saved.save()
    this.#acks.stop()
    this.#publisher.close(reason)
    this.#requests.close(reason)
    this.#membership.close(reason)
    this.#subscriptions.close(error)
    this.#check()
  }

  #onChannel<E extends keyof ChannelEvents> (channel: string, event: E, listener: (...args: ChannelEvents[E]) => unknown): () => void {
    if (event === 'join' || event === 'leave' || event === 'update') return this.#watches.onMember(channel, event, listener as (member: PresentMember) => unknown)
    const emitter = this.#channels.get(channel) ?? new Emitter<ChannelEvents>((error) => this.#onListenerError(error))
    this.#channels.set(channel, emitter)
    const off = emitter.on(event, listener)
    return () => {
      off()
      if (emitter.empty && this.#channels.get(channel) === emitter) this.#channels.delete(channel)
    }
  }

  #onChannelError (channel: string, error: PushError): void {
    this.#channels.get(channel)?.emit('error', error)
    this.#emitter.emit('error', error)
  }

  #onListenerError (cause: unknown): void {
    this.#emitter.emit('error', new PushError('PUSH_HANDLER_FAILED', 'a listener threw', { cause }))
  }
}
