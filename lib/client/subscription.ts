import type { Gap, Position, QoS } from '../../types/message.js'
import type { Clock } from '../core/clock.js'
import { ANY_INBOX } from '../core/channel-name.js'
import { PushError } from '../core/errors.js'
import { samePosition, verdict } from '../core/position.js'
import type { GapFrame, MessageBody, MessagesFrame, SkipFrame, SubscriptionRequest, SubscriptionVerdict } from '../protocol/frames.js'
import type { Acks } from './acks.js'
import type { Backoff } from './backoff.js'
import { DeliveryQueue, type HandlerEntry } from './handlers.js'
import { messageOf } from './message.js'
import type { Requests } from './requests.js'
import type { Wire } from './session.js'

/** Least time between two subscribes that the records themselves caused. Milliseconds. */
const ASK_AGAIN = 1_000
/** Messages of QoS 0 that may wait for slow handlers; more are dropped, as their QoS says. */
const MAX_QOS0_WAITING = 1_000

/** How a subscription goes on. */
export interface ChannelVerdict extends Omit<SubscriptionVerdict, 'gap'> {
  /** With `lost`. */
  readonly gap?: Gap
}

export interface SubscriptionContext {
  readonly clock: Clock
  readonly wire: Wire
  readonly requests: Requests
  readonly acks: Acks
  readonly backoff: () => Backoff
  onGap (gap: Gap): void
  onVerdict (verdict: ChannelVerdict): void
  onError (channel: string, error: PushError): void
  /** A message was handled. */
  onProgress (): void
  /** The subscription is over: the server refused it. */
  onEnd (subscription: Subscription): void
}

/** A handler and what its `subscribe` waits for. */
export interface Joined extends HandlerEntry {
  readonly qos: QoS
  /** The server has answered. May be called again. */
  readonly ready: () => void
  /** Nothing more will come. `null` where the application wanted it so. */
  readonly ended: (error: PushError | null) => void
}

/**
 * The one server subscription of a channel, which all of the channel's handlers share. It keeps two positions: what was
 * received, for verdicts and resuming; and what was handled, which is acknowledged and saved.
 */
export class Subscription {
  readonly channel: string
  readonly queue: DeliveryQueue
  received: Position | null
  handled: Position | null
  rewind: number | undefined
  from: Position | undefined
  /** Whether other clients of the user read here too, one at a time: then where it stands is the server's word. */
  readonly #isShared: boolean
  readonly #context: SubscriptionContext
  readonly #backoff: Backoff
  #members: readonly Joined[] = []
  /** What the server was last asked for on this link, and what it granted. */
  #asked: QoS | null = null
  #granted: QoS | null = null
  #asking = false
  #era = 0
  #askedAt = -Infinity
  #releaseAsk: (() => void) | null = null

  constructor (channel: string, saved: Position | undefined, context: SubscriptionContext) {
    this.channel = channel
    this.#isShared = channel === ANY_INBOX
    this.#context = context
    this.#backoff = context.backoff()
    this.received = this.handled = saved ?? null
    this.queue = new DeliveryQueue(context.clock, {
      settled: ({ position, era, gap }) => {
        if (position !== null && era === this.#era) this.#advance(position)
        if (gap !== undefined) context.onGap(gap)
        context.onProgress()
      },
      failed: ({ position }, error) => {
        if (position !== null) context.wire.send({ type: 'drop', channel, ...position })
        context.onError(channel, new PushError('PUSH_HANDLER_FAILED', undefined, { cause: error }))
      }
    })
  }

  /** The highest QoS of the handlers. */
  get qos (): QoS {
    return this.#members.reduce<QoS>((highest, { qos }) => qos > highest ? qos : highest, 0)
  }

  get idle (): boolean {
    return this.#members.length === 0
  }

  /** Whether a link has been asked for it, or it has stood somewhere before: too late for `rewind` and `from`. */
  get begun (): boolean {
    return this.#asked !== null || this.received !== null
  }

  /** Adds a handler; asks the server where that changes something. */
  join (member: Joined): void {
    this.#members = [...this.#members, member]
    this.queue.add(member)
    if (this.#asking || this.#releaseAsk !== null || !this.#context.wire.live) return // its answer is looked at again
    if (this.#asked === null || this.#asked < member.qos) this.ask()
    else member.ready()
  }

  /** The server has begun it on its own account, for a member that stands for that. */
  grant (answer: SubscriptionVerdict, member: Joined): void {
    const before = this.#members.find(({ handler }) => handler === member.handler)
    if (before !== undefined) this.leave(before)
    this.#members = [...this.#members, member]
    this.queue.add(member)
    this.#asked = answer.qos
    this.accept(answer)
  }

  leave (member: Joined): void {
    this.#members = this.#members.filter((each) => each !== member)
    this.queue.remove(member)
  }

  /** What to ask the server for. The caller sends it. */
  request (): SubscriptionRequest {
    const { channel, qos, rewind } = this
    const position = this.received ?? this.from
    this.#asked = qos
    this.#asking = true
    if (this.#isShared) return { channel, qos }
    return { channel, qos, ...(position !== undefined && { position }), ...(position === undefined && rewind !== undefined && { rewind }) }
  }

  ask (): void {
    this.#releaseAsk?.()
    this.#releaseAsk = null
    this.#askedAt = this.#context.clock.now()
    this.#context.requests.ask({ type: 'subscribe', ...this.request() },
      (reply) => { if (reply.type === 'subscribed') this.accept(reply) },
      (error) => this.refuse(error))
  }

  /** The server's answer: [P-3.2]. */
  accept (answer: SubscriptionVerdict): void {
    const asked = this.#asked ?? answer.qos
    this.#asking = false
    this.#granted = answer.qos
    this.#backoff.reset()
    // An earlier link may not have brought it across. Even where nothing came since, the server may have stored no cursor yet.
    this.#acknowledge()
    const { channel, qos, verdict, position } = answer
    const gap = verdict === 'lost' && answer.gap !== undefined ? { channel, ...answer.gap, position } : undefined
    this.#stand(position, gap)
    this.#context.onVerdict({ channel, qos, verdict, position, ...(gap !== undefined && { gap }) })
    this.#answered(asked)
  }

  #answered (asked: QoS): void {
    for (const member of this.#members) {
      if (member.qos <= asked) member.ready()
    }
    // Handlers that joined while the server was being asked may want more than it was asked for.
    if (this.qos > asked && !this.#asking) this.ask()
  }

  // Another client of the user reads, and the server will say when it is this one's turn. [P-6.6]
  #standInLine (): void {
    this.#granted = null
    this.#backoff.reset()
    this.#giveUpTurn()
    this.#context.acks.forget(this.channel) // whoever reads now acknowledges
    this.#answered(this.#asked ?? this.qos)
  }

  // What no handler works on yet is another client's from now on. What this one has handled it need not handle again.
  #giveUpTurn (): void {
    this.queue.forget()
    this.received = this.queue.current?.position ?? this.handled
  }

  /** The server refused. What may succeed later is asked again; otherwise the subscription ends for all its handlers. */
  refuse (error: PushError): void {
    this.#asking = false
    if (error.code === 'PUSH_HELD') return this.#standInLine()
    this.#context.onError(this.channel, error)
    if (error.retryable) return this.#askLater(this.#backoff.next())
    this.close(error)
    this.#context.onEnd(this)
  }

  /** [P-4.1], [P-4.2] */
  messages (frame: MessagesFrame): void {
    const { epoch, from, messages } = frame
    let repeated = false
    for (let i = 0; i < messages.length; i++) {
      if (this.received === null) return // on its way since before an unsubscribe
      const body = messages[i] as MessageBody
      if (epoch === undefined || from === undefined) {
        this.#deliver(body, null)
        continue
      }
      const what = verdict(this.received, epoch, from + i)
      if (what === 'duplicate') repeated = true
      else if (this.#follows(what)) this.#deliver(body, this.received = { epoch, offset: from + i })
      else return this.#askAgain()
    }
    if (repeated) this.#acknowledge()
  }

  /** [P-4.3] */
  skip ({ epoch, from, to }: SkipFrame): void {
    if (this.received === null) return
    // A skip that begins before the cursor and ends beyond it still begins next to it.
    const first = epoch === this.received.epoch ? Math.max(from, Math.min(to, this.received.offset + 1)) : from
    const what = verdict(this.received, epoch, first)
    if (what === 'duplicate') return
    if (!this.#follows(what)) return this.#askAgain()
    this.#move({ epoch, offset: to })
  }

  /** [P-4.4] */
  gap ({ reason, from, to, count, position }: GapFrame): void {
    if (this.received !== null) this.#stand(position, { channel: this.channel, reason, from, to, count, position })
  }

  /** The link is lost, and with it what the server was asked for. */
  down (): void {
    this.#asked = this.#granted = null
    this.#asking = false
    this.#releaseAsk?.()
    this.#releaseAsk = null
    if (this.#isShared) this.#giveUpTurn()
  }

  /** Ends it for all handlers. */
  close (error: PushError | null): void {
    this.down()
    this.received = null // what may still arrive is not wanted
    this.queue.stop()
    for (const member of this.#members) member.ended(error)
  }

  #follows (what: ReturnType<typeof verdict>): boolean {
    return what === 'deliver' || (what === 'behind' && this.#granted === 0) // at QoS 0: jump
  }

  #deliver (body: MessageBody, position: Position | null): void {
    // At QoS 1 and 2 the server's window bounds what waits here.
    if ((position === null || this.#granted === 0) && this.queue.length >= MAX_QOS0_WAITING) return
    this.queue.push({ message: messageOf(this.channel, body, position), position, era: this.#era })
  }

  // A step of the cursor waits in the queue like a message, so that what is handled never overtakes a message.
  #move (position: Position, gap?: Gap): void {
    this.received = position
    this.queue.push({ message: null, position, era: this.#era, gap })
  }

  /** Takes over where the server says the subscription stands. */
  #stand (position: Position, gap: Gap | undefined): void {
    const { received } = this
    if (received === null) {
      this.received = position
      if (gap !== undefined) return this.#move(position, gap) // acknowledged, so that the next process does not hear of it again
      this.handled = position
      return this.#context.acks.begin(this.channel, position, this.#ackQoS)
    }
    const sameLog = position.epoch === received.epoch
    // Records may have come since the question was sent: without a loss, their cursor does not go back.
    if (sameLog && position.offset <= received.offset && gap === undefined) return
    // In another log, or with less of it, what is still in the queue must not be acknowledged.
    if (!sameLog || position.offset < received.offset) this.#era++
    this.#move(position, gap)
  }

  // The server counts the window of the QoS it granted, whoever has left since.
  get #ackQoS (): QoS {
    return this.#granted ?? this.qos
  }

  #advance (position: Position): void {
    if (this.handled !== null && samePosition(position, this.handled)) return
    this.handled = position
    this.#acknowledge()
  }

  #acknowledge (): void {
    if (this.#isShared && this.#granted === null) return // it is not its turn
    if (this.handled !== null) this.#context.acks.note(this.channel, this.handled, this.#ackQoS)
  }

  #askAgain (): void {
    if (this.#asking) return // the answer is on its way
    this.#askLater(Math.max(0, this.#askedAt + ASK_AGAIN - this.#context.clock.now()))
  }

  #askLater (delay: number): void {
    if (this.#releaseAsk !== null) return
    if (delay === 0) return this.ask()
    this.#releaseAsk = this.#context.clock.after(delay, () => this.ask())
  }
}
