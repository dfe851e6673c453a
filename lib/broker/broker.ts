import type { Authorize, ChannelOptions } from '../../types/options.js'
import type { AsyncApi, AsyncApiOptions } from '../../types/asyncapi.js'
import type { Position } from '../../types/message.js'
import type { PresenceOptions, PresencePage } from '../../types/presence.js'
import type { HistoryOptions, HistoryPage, InboxName, PublishOptions, PublishResult, PushStats, Receipt, ReceiptOptions, SendOptions } from '../../types/push.js'
import type { StorageAdapter } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { within } from '../core/hooks.js'
import { describe } from './asyncapi.js'
import { Channels, type Channel } from './channels.js'
import { Counters } from './counters.js'
import { CursorWriter } from './cursor-writer.js'
import { readHistory } from './history.js'
import { ChannelHooks, Hooks, type HookScope } from './hooks.js'
import { Hub } from './hub.js'
import { InboxWatch } from './inbox-watch.js'
import { MemberLists } from './member-lists.js'
import { Pages } from './pages.js'
import { Permissions } from './permissions.js'
import { Presence } from './presence.js'
import { Publishing } from './publishing.js'
import { readReceipt } from './receipts.js'
import { ServerPublish } from './server-publish.js'
import type { Settings } from './settings.js'
import { subscribe, type Started, type SubscribeRequest, type SubscribingContext } from './subscribing.js'
import { Tick } from './tick.js'
import { countAfter } from './unread.js'
import { loadUserCursor, userCommit } from './user-cursor.js'

export interface BrokerContext {
  readonly storage: StorageAdapter
  readonly settings: Settings
  readonly clock: Clock
  /** Runs a callback at the end of this tick (`setImmediate`). */
  readonly defer: (callback: () => void) => void
  readonly authorize?: Authorize | undefined
  /** A trouble that nobody waits for. */
  readonly onError: (error: unknown) => void
  /** What the storage advises. */
  readonly onWarning?: (text: string) => void
  /** A publish that failed, and perhaps nobody handles. */
  readonly onPublishFailed: (error: PushError, channel: string) => void
}

/** The use cases of one node, on whatever storage: it knows no WebSocket and no Fastify. */
export class Broker {
  readonly settings: Settings
  readonly clock: Clock
  readonly storage: StorageAdapter
  readonly hooks: Hooks
  readonly channels: Channels
  readonly counters = new Counters()
  readonly permissions: Permissions
  readonly publishing: Publishing
  readonly cursors: CursorWriter
  readonly presence: Presence
  readonly members: MemberLists
  /** Tells of a trouble that nobody waits for. */
  readonly onError: (error: unknown) => void
  /** Runs a callback at the end of this tick. */
  readonly defer: (callback: () => void) => void
  readonly tick: Tick
  readonly #hub: Hub
  readonly #inboxWatch: InboxWatch
  readonly #publish: ServerPublish
  readonly #onWarning: BrokerContext['onWarning']
  readonly #subscribing: SubscribingContext

  constructor (context: BrokerContext) {
    const { storage, settings, clock, defer, onError } = context
    const { log, feed } = storage
    const { counters } = this
    this.settings = settings
    this.clock = clock
    this.storage = storage
    this.defer = defer
    this.tick = new Tick(defer, onError)
    this.onError = onError
    this.#onWarning = context.onWarning
    this.hooks = new Hooks({ clock, timeout: settings.limits.hookTimeout, onError })
    const ownHooks = new ChannelHooks()
    this.hooks.attach(ownHooks, this.hooks.root)
    this.channels = new Channels(settings.session.ttl, settings.inbox, settings.presence, ownHooks)
    this.permissions = new Permissions(context.authorize, clock, settings.limits.hookTimeout, onError)
    this.publishing = new Publishing({ log, feed, clock, counters, idWindow: settings.idWindow, rememberAll: !storage.supports.certain, holds: !storage.supports.durable, onError })
    this.cursors = new CursorWriter(storage.cursors, clock, defer, onError)
    this.presence = new Presence({
      store: storage.presence,
      clock,
      channels: this.channels,
      retention: this.channels.presenceRetention,
      seen: settings.session.namedTtl,
      sweeps: storage.supports.shared || storage.supports.durable,
      refreshes: storage.supports.shared,
      onError,
      onPresence: (event) => {
        const channel = this.channels.withMembersOrNull(event.channel)
        channel?.rules.hooks.presence?.({ ...event, params: channel.params })
      }
    })
    this.members = new MemberLists(storage.presence, this.channels)
    const pages = new Pages(log, clock)
    this.#hub = new Hub({ feed, log, clock, counters, tick: this.tick, pages: storage.supports.shared ? pages : null, onError })
    this.#inboxWatch = new InboxWatch({ log, cursors: storage.cursors, clock, counters, timeout: settings.limits.hookTimeout, onError, ...settings.inbox })
    this.#publish = new ServerPublish({
      channels: this.channels,
      hub: this.#hub,
      publishing: this.publishing,
      clock,
      accepted: { messages: settings.limits.acceptedMessages, bytes: settings.limits.acceptedBytes },
      receipt: (channel, position, options) => this.#receipt(channel, position, options),
      onSent: (inbox, position, { body, ttl }) => this.#inboxWatch.watch(inbox, position, body, ttl),
      onFailure: (error, channel) => {
        counters.failed++
        context.onPublishFailed(error, channel)
      }
    })
    const subscription = { pages, clock, counters, window: settings.limits.window, slowAfter: settings.limits.slowAfter, onError }
    this.#subscribing = { hub: this.#hub, cursors: storage.cursors, subscription }
  }

  /** Opens the storage. Rejects with its error. */
  async open (): Promise<void> {
    await this.storage.open({ onError: this.onError, onWarning: this.#onWarning })
    if (this.settings.presence.online) this.presence.declared() // users are members too, those of nodes that are gone as well
    this.presence.open()
  }

  /** Writes what is left of cursors, for as long as the closing grace, and closes the storage. */
  async close (): Promise<void> {
    this.#inboxWatch.close()
    const { closeGrace } = this.settings.limits
    this.presence.close()
    const late = () => new PushError('PUSH_STORAGE_UNKNOWN', 'cursors could not be written in time')
    await within(this.clock, closeGrace, this.cursors.close(), late).catch(this.onError)
    await this.storage.close()
  }

  /** See `Push.channel`. `scope`: where it is declared, and so which hooks hold for it. */
  declare (pattern: string, options?: ChannelOptions, scope: HookScope = this.hooks.root): void {
    const hooks = new ChannelHooks()
    this.channels.declare(pattern, options, hooks)
    this.hooks.attach(hooks, scope, options)
    if (options?.presence) this.presence.declared()
  }

  /** See `Push.asyncapi`. */
  asyncapi (options?: AsyncApiOptions): AsyncApi {
    return describe(this.channels.declared, options)
  }

  /** See `Push.publish`. */
  publish (channel: string, data: unknown, options?: PublishOptions): Promise<PublishResult> {
    return this.#publish.publish(channel, data, options)
  }

  /** See `Push.send`. */
  send (userId: string, data: unknown, options?: SendOptions): Promise<PublishResult> {
    return this.#publish.send(userId, data, options)
  }

  /** A client of a user has acknowledged: so has the user, and a new client of the same user begins behind that. */
  acknowledgeForUser (inbox: string, position: Position): void {
    this.acknowledged(inbox, position)
    this.cursors.write(inbox, userCommit(position, this.clock, this.settings.inbox.ttl), () => {})
  }

  /** The user's cursor in an inbox has moved: what it has passed need not be watched any more. */
  acknowledged (inbox: string, position: Position): void {
    this.#inboxWatch.acknowledged(inbox, position)
  }

  /** See `Push.unread`. */
  async unread (userId: string, { deliver }: Pick<SendOptions, 'deliver'> = {}): Promise<number> {
    return this.#unreadIn(this.channels.inbox(userId, deliver), null)
  }

  /** How many messages of a channel lie after the cursor of a session; in an inbox, where it has none, after the user's. */
  unreadOf (channel: Channel, session: string): Promise<number> {
    return this.#unreadIn(channel, channel.leased ? null : session)
  }

  async #unreadIn (channel: Channel, session: string | null): Promise<number> {
    const { log, cursors } = this.storage
    const own = session === null ? null : await cursors.load(channel.name, session)
    const cursor = own === null && channel.kind === 'inbox' ? await loadUserCursor(cursors, channel.name) : own
    if (cursor === null && channel.kind !== 'inbox') return 0
    return countAfter(log, channel.name, cursor, this.settings.limits.historyPage)
  }

  /** See `Push.receipt`. */
  async receipt (channel: string | InboxName, position: Position, options?: ReceiptOptions): Promise<Receipt> {
    return this.#receipt(typeof channel === 'string' ? this.channels.find(channel) : this.channels.inbox(channel?.userId, channel?.deliver), position, options)
  }

  #receipt (channel: Channel, position: Position | null, options: ReceiptOptions = {}): Promise<Receipt> {
    const { name } = channel
    return readReceipt(this.storage.cursors, channel, this.#hub.find(name)?.subscriptions ?? [], position, options, this.settings.limits.historyPage)
  }

  /** See `Push.history`. The server may read every channel, also one whose clients may not. */
  async history (channel: string, options: HistoryOptions = {}): Promise<HistoryPage> {
    return this.readHistory(this.channels.find(channel), options)
  }

  /** The same of any channel, for a caller who may. */
  readHistory ({ name }: Channel, options: HistoryOptions): Promise<HistoryPage> {
    return readHistory(this.storage.log, name, options, { messages: this.settings.limits.historyPage })
  }

  /** See `Push.presence`. */
  async membersOf (channel: string, options: PresenceOptions = {}): Promise<PresencePage> {
    return this.members.list(this.channels.withMembers(channel), options)
  }

  /** See `Push.online`. */
  async online (users: string | readonly string[]): Promise<boolean | string[]> {
    return typeof users === 'string' ? (await this.members.online([users])).length > 0 : this.members.online(users)
  }

  /** Begins a subscription. The caller has asked for permission. */
  subscribe (request: SubscribeRequest): Promise<Started> {
    return subscribe(this.#subscribing, request)
  }

  /** What this broker knows of `Push.stats`. */
  stats (): Omit<PushStats, 'connections' | 'refusedConnections' | 'subscriptions'> {
    const { waiting, failed } = this.#publish
    return { ...this.counters, channels: this.#hub.size, accepted: { waiting, failed } }
  }
}
