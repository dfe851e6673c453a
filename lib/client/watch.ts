import type { Gap, Message } from '../../types/message.js'
import type { Member } from '../../types/presence.js'
import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { presenceLogOf } from '../core/presence-log.js'
import type { PresenceEventData } from '../protocol/frames.js'
import type { Backoff } from './backoff.js'
import type { ChannelEvents } from './channel.js'
import { Emitter } from './emitter.js'
import type { Requests } from './requests.js'
import { Roster, type PresentMember, type RosterChange } from './roster.js'
import type { ChannelVerdict } from './subscription.js'
import type { JoinOptions, Subscribed } from './subscriptions.js'

/** Members of one page of the list. */
const PAGE = 1000

/** What a watch tells. */
export type WatchEvents = {
  join: [member: PresentMember]
  leave: [member: PresentMember]
  update: [member: PresentMember]
  /** How many there are, after anything has changed, and once the list was read. */
  size: [size: number]
}

export interface WatchContext {
  readonly clock: Clock
  readonly requests: Requests
  readonly backoff: () => Backoff
  join (channel: string, handler: (message: Message) => unknown, options: JoinOptions): Subscribed
  on<E extends keyof ChannelEvents> (channel: string, event: E, listener: (...args: ChannelEvents[E]) => unknown): () => void
  onError (channel: string, error: PushError): void
  /** Tells the channel's listeners alone of an error that is known already. */
  tell (channel: string, error: PushError): void
  onThrow (error: unknown): void
}

/** Watches who is in a channel: subscribes to its presence log, reads the list, and reads it again after a gap. [P-12.6] */
export class Watch {
  readonly roster = new Roster()
  readonly #channel: string
  readonly #context: WatchContext
  readonly #emitter: Emitter<WatchEvents>
  readonly #releases: Array<() => void>
  readonly #subscribed: Subscribed
  readonly #backoff: Backoff
  readonly #onEnd: () => void
  /** Counts the readings up: the answers of an earlier one count no more. */
  #reading = 0
  #listeners = 0
  #ended = false

  /** `onEnd`: the server does not let it go on, now or from the first. Not called after `stop` or `close`. */
  constructor (channel: string, context: WatchContext, onEnd: () => void) {
    this.#channel = channel
    this.#context = context
    this.#onEnd = onEnd
    this.#backoff = context.backoff()
    this.#emitter = new Emitter((error) => context.onThrow(error))
    const log = presenceLogOf(channel)
    this.#releases = [
      context.on(log, 'verdict', (verdict) => this.#verdict(verdict)),
      context.on(log, 'gap', (gap) => this.#gap(gap)),
      context.on(log, 'error', (error) => context.tell(channel, error))
    ]
    this.#subscribed = context.join(log, (message) => this.#hear(message), { qos: 1, rewind: undefined, from: undefined, policy: { tries: 1, delay: 0 }, ended: () => this.#end() })
  }

  /** Whether it tells nothing any more. */
  get ended (): boolean {
    return this.#ended
  }

  /** Whether nobody listens. */
  get idle (): boolean {
    return this.#listeners === 0
  }

  /** Listens; `first` is called before, and once it is not too late for that to be first. Returns the release. */
  on<E extends keyof WatchEvents> (event: E, listener: (...args: WatchEvents[E]) => unknown, first: () => void): () => void {
    let off: (() => void) | null = () => {}
    this.#listeners++
    Promise.resolve().then(() => {
      if (off === null) return
      off = this.#emitter.on(event, listener)
      first()
    }).catch((error: unknown) => this.#context.onThrow(error))
    return () => {
      if (off === null) return
      off()
      off = null
      this.#listeners--
    }
  }

  /** Ends it, and its subscription. */
  close (): void {
    this.stop()
    this.#subscribed.unsubscribe().catch(() => {})
  }

  /** Tells nothing any more; what becomes of its subscription is the business of others. */
  stop (): void {
    this.#ended = true
    this.#reading++
    this.roster.clear()
    for (const release of this.#releases) release()
  }

  #end (): void {
    if (this.#ended) return
    this.stop()
    this.#onEnd()
  }

  #verdict ({ verdict, position }: ChannelVerdict): void {
    if (verdict === 'lost') return // a gap follows, in its order
    if (verdict === 'started' || !(this.roster.complete || this.roster.isReading)) this.#read()
    this.#tell(this.roster.stand(position))
  }

  #gap ({ position }: Gap): void {
    this.#read()
    this.#tell(this.roster.stand(position))
  }

  #hear ({ data, position }: Message): void {
    if (position !== null) this.#tell(this.roster.take({ ...data as PresenceEventData, position }))
  }

  #read (): void {
    this.roster.begin()
    this.#page(++this.#reading, undefined)
  }

  #page (reading: number, after: string | undefined): void {
    this.#context.requests.ask({ type: 'presence', channel: this.#channel, limit: PAGE, ...(after !== undefined && { after }) }, (reply) => {
      if (reading !== this.#reading || reply.type !== 'presence') return
      const { members, next, epoch, offset } = reply
      this.#backoff.reset()
      this.#tell(this.roster.page(members as Member[], next === null, { epoch, offset }))
      if (next !== null) this.#page(reading, next)
    }, (error) => {
      if (reading !== this.#reading) return
      if (error.code !== 'PUSH_BUSY') this.#context.onError(this.#channel, error) // that one only says when
      if (error.retryable) return this.#context.clock.after(this.#backoff.next(), () => { if (reading === this.#reading) this.#page(reading, after) })
      this.close()
      this.#onEnd()
    })
  }

  #tell (changes: readonly RosterChange[]): void {
    for (const { event, member, cause } of changes) this.#emitter.emit(event, { ...member, cause })
    if (this.roster.complete) this.#emitter.emit('size', this.roster.size)
  }
}
