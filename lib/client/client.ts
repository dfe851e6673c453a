import type { AnyChannels } from '../../types/channels.js'
import { ANY_INBOX, INBOX, isChannelName } from '../core/channel-name.js'
import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { isUserId, NO_USER_ID } from '../core/user-id.js'
import type { HelloFrame, WelcomeFrame } from '../protocol/frames.js'
import { Acks } from './acks.js'
import type { Client, ClientEvents } from './api.js'
import { Backoff } from './backoff.js'
import { channelOf, type Channel, type ChannelContext, type ChannelEvents, type Inbox, type ReadChannel } from './channel.js'
import { ChannelListeners } from './channel-listeners.js'
import { Closing } from './closing.js'
import { dispatch } from './dispatch.js'
import { Emitter } from './emitter.js'
import { readHistory } from './history.js'
import { Membership } from './membership.js'
import { settingsOf, type ClientOptions, type Settings } from './options.js'
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
  readonly #clientId: string | undefined
  readonly #emitter = new Emitter<ClientEvents>((error, event) => { if (event !== 'error') this.#onListenerError(error) })
  readonly #listeners = new ChannelListeners((error) => this.#onListenerError(error))
  readonly #channelContext: ChannelContext
  #loading: Promise<void> | null = null
  readonly #closing: Closing

  constructor (url: string, options: ClientOptions, platform: Platform) {
    const settings = settingsOf(options)
    const { clock } = platform
    const secret = () => platform.secret()
    const backoff = () => new Backoff(settings.reconnect, () => platform.random())
    const onProgress = () => this.#closing.check()
    const onError = (error: PushError) => this.#emitter.emit('error', error)
    this.#clientId = settings.clientId
    const { connectTimeout, token, renewsToken, store } = settings
    const session = this.#session = new Session({ platform, url, connectTimeout, token, renewsToken }, settings.reconnect, {
      hello: (token) => this.#hello(token),
      welcome: (frame) => this.#welcome(frame),
      frame: (frame) => dispatch(frame, { subscriptions: this.#subscriptions, membership: this.#membership, publisher: this.#publisher, acks: this.#acks, requests: this.#requests }),
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
      onGap: (gap) => this.#listeners.emit(gap.channel, 'gap', gap),
      onVerdict: (verdict) => this.#listeners.emit(verdict.channel, 'verdict', verdict),
      onError: (channel, error) => this.#onChannelError(channel, error),
      onProgress,
      onMessage: (message) => this.#emitter.emit('message', message)
    }, this.#saved)
    this.#membership = new Membership({ clock, wire: session, requests, backoff, onError: (channel, error) => this.#onChannelError(channel, error) })
    this.#watches = this.#watchesOf(clock, backoff)
    this.#publisher = new Publisher({ wire: session, clock, saved: this.#saved, limits: settings.outbox, secret, backoff, onError, onProgress })
    this.#channelContext = this.#contextOf(settings)
    this.#closing = new Closing({ clock, session, saved: this.#saved, acks: this.#acks, publisher: this.#publisher, subscriptions: this.#subscriptions, load: () => this.#load() })
    // Not at once: what is subscribed to in the same turn travels in the upgrade request.
    if (options.connect !== false) Promise.resolve().then(() => this.connect())
  }

  #watchesOf (clock: Clock, backoff: () => Backoff): Watches {
    return new Watches({
      clock,
      requests: this.#requests,
      backoff,
      join: (channel, handler, options) => this.#subscriptions.join(channel, handler, options),
      on: (channel, event, listener) => this.#onChannel(channel, event, listener),
      onError: (channel, error) => this.#onChannelError(channel, error),
      tell: (channel, error) => this.#listeners.emit(channel, 'error', error),
      onThrow: (error) => this.#onListenerError(error)
    })
  }

  // What channels do.
  #contextOf ({ onError }: Settings): ChannelContext {
    return {
      policy: onError,
      join: (channel, handler, options) => this.#subscriptions.join(channel, handler, options),
      publish: (channel, data, publish) => this.#publisher.publish(channel, data, publish),
      history: (channel, query) => readHistory(this.#requests, channel, query),
      unread: (channel) => countUnread(this.#requests, channel),
      enter: (channel, data) => this.#membership.enter(channel, data),
      leave: (channel) => this.#membership.leave(channel),
      presence: (channel, options) => readPresence(this.#requests, channel, options),
      on: (channel, event, listener) => this.#onChannel(channel, event, listener)
    }
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
    return { ...this.#readable(INBOX), any: this.#readable(ANY_INBOX) }
  }

  #readable (name: string): ReadChannel {
    const { publish, enter, leave, presence, ...channel } = channelOf(name, this.#channelContext)
    return channel
  }

  user (id: string): User {
    if (!isUserId(id)) throw new PushError('PUSH_INVALID', NO_USER_ID)
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

  close ({ timeout }: { timeout?: number } = {}): Promise<void> {
    return this.#closing.begin(timeout)
  }

  #open (): void {
    if (this.#saved.loaded) this.#session.open()
    else this.#load().then(() => { if (!this.#closing.begun) this.connect() })
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
    const saving = this.#saved.save()
    this.#acks.stop()
    this.#publisher.close(reason)
    this.#watches.close()
    this.#requests.close(reason)
    this.#membership.close(reason)
    this.#subscriptions.close(error)
    this.#closing.ended(saving)
  }

  #onChannel<E extends keyof ChannelEvents> (channel: string, event: E, listener: (...args: ChannelEvents[E]) => unknown): () => void {
    if (event === 'join' || event === 'leave' || event === 'update') return this.#watches.onMember(channel, event, listener as (member: PresentMember) => unknown)
    return this.#listeners.on(channel, event, listener)
  }

  #onChannelError (channel: string, error: PushError): void {
    this.#listeners.emit(channel, 'error', error)
    this.#emitter.emit('error', error)
  }

  #onListenerError (cause: unknown): void {
    this.#emitter.emit('error', new PushError('PUSH_HANDLER_FAILED', 'a listener threw', { cause }))
  }
}
