import type { Message, Position, QoS } from '../../types/message.js'
import { ANY_INBOX } from '../core/channel-name.js'
import { PushError } from '../core/errors.js'
import { isCode } from '../protocol/codes.js'
import type { GapFrame, MessagesFrame, SkipFrame, SubscribedFrame, SubscriptionRequest, UnsubscribedFrame, WelcomeFrame } from '../protocol/frames.js'
import { catchUp } from './catch-up.js'
import { utf8Length } from './encoding.js'
import type { HandlerPolicy } from './options.js'
import type { SavedState } from './saved-state.js'
import { Subscription, type Joined, type SubscriptionContext } from './subscription.js'

/** A hello of more bytes might be more than the server takes; the other subscriptions follow after the welcome. */
const HELLO_BYTES = 32_768

/** What a handler asks for. */
export interface JoinOptions {
  readonly qos: QoS
  readonly rewind: number | undefined
  readonly from: Position | undefined
  readonly policy: HandlerPolicy
  /** Nothing more will come. */
  readonly ended?: ((error: PushError | null) => void) | undefined
  /** It is an iterator. */
  readonly isPulled?: boolean
}

/** A handler's share in the subscription of its channel. */
export interface Subscribed {
  /** Resolves when the server has answered; rejects with the code of its refusal. */
  readonly ready: Promise<void>
  /** Ends this handler; the last one of a channel ends the subscription and forgets its cursor. Resolves when the server has answered. */
  unsubscribe (): Promise<void>
}

/** What the server subscribes to: its handler never fails. */
const NO_RETRIES: HandlerPolicy = { tries: 1, delay: 0 }

/** What the subscriptions of a client tell it. */
export interface SubscriptionsContext extends Omit<SubscriptionContext, 'onEnd'> {
  /** A message of a channel that the server subscribed the client to. */
  onMessage (message: Message): void
}

/** All subscriptions of a client, by channel. */
export class Subscriptions {
  readonly #byChannel = new Map<string, Subscription>()
  readonly #context: SubscriptionContext
  readonly #saved: SavedState
  readonly #onMessage: (message: Message) => void
  #closed: { readonly error: PushError | null } | null = null

  constructor (context: SubscriptionsContext, saved: SavedState) {
    this.#onMessage = (message) => context.onMessage(message)
    this.#context = {
      ...context,
      onEnd: ({ channel }) => {
        this.#byChannel.delete(channel)
        context.acks.forget(channel) // nothing of it will be confirmed
      }
    }
    this.#saved = saved
  }

  join (channel: string, handler: (message: Message) => unknown, options: JoinOptions): Subscribed {
    const { promise, resolve, reject } = deferred()
    const { qos, rewind, from, policy } = options
    const member: Joined = {
      handler,
      policy,
      qos,
      isPulled: options.isPulled === true,
      ready: resolve,
      ended: (error) => {
        reject(error ?? new PushError('PUSH_CLOSED'))
        options.ended?.(error)
      }
    }
    if (this.#closed !== null) {
      member.ended(this.#closed.error)
      return { ready: promise, unsubscribe: async () => {} }
    }
    const subscription = this.#of(channel)
    const wantsOlder = from !== undefined || (rewind !== undefined && rewind > 0)
    const isLate = !subscription.idle && subscription.begun && wantsOlder
    if (isLate) {
      catchUp(subscription, member, options, promise, this.#context)
    } else {
      subscription.from ??= from
      if (rewind !== undefined) subscription.rewind = Math.max(rewind, subscription.rewind ?? 0)
    }
    subscription.join(member)
    let left: Promise<void> | null = null
    return { ready: promise, unsubscribe: () => (left ??= this.#leave(subscription, member)) }
  }

  /** What the hello lists. The others are asked for after the welcome. */
  hello (): SubscriptionRequest[] {
    const requests: SubscriptionRequest[] = []
    let bytes = 0
    for (const subscription of this.#byChannel.values()) {
      if (bytes > HELLO_BYTES) break
      const request = subscription.request()
      bytes += utf8Length(JSON.stringify(request))
      requests.push(request)
    }
    return requests
  }

  welcome (frame: WelcomeFrame): void {
    const answers = new Map(frame.subscriptions.map((answer) => [answer.channel, answer]))
    for (const subscription of [...this.#byChannel.values()]) {
      const answer = answers.get(subscription.channel)
      if (answer === undefined) subscription.ask()
      else if ('verdict' in answer) subscription.accept(answer)
      else subscription.refuse(errorOf(answer.code))
    }
  }

  /** The server subscribed on its own account, [P-3.8], or it is this client's turn, [P-6.6]. */
  granted (answer: SubscribedFrame): void {
    if (answer.channel === ANY_INBOX) return this.#byChannel.get(ANY_INBOX)?.accept(answer)
    this.#of(answer.channel).grant(answer, { handler: this.#onMessage, policy: NO_RETRIES, qos: answer.qos, ready: () => {}, ended: () => {} })
  }

  /** The server ended it on its own account. Returns whether there was one, whose error has told so. [P-3.7] */
  revoked ({ channel, code = 'PUSH_FORBIDDEN' }: UnsubscribedFrame): boolean {
    const subscription = this.#byChannel.get(channel)
    subscription?.refuse(errorOf(code))
    return subscription !== undefined
  }

  messages (frame: MessagesFrame): void {
    this.#byChannel.get(frame.channel)?.messages(frame)
  }

  skip (frame: SkipFrame): void {
    this.#byChannel.get(frame.channel)?.skip(frame)
  }

  gap (frame: GapFrame): void {
    this.#byChannel.get(frame.channel)?.gap(frame)
  }

  down (): void {
    for (const subscription of this.#byChannel.values()) subscription.down()
  }

  /** Takes over the cursors of an earlier process. */
  restore (): void {
    for (const subscription of this.#byChannel.values()) {
      subscription.received ??= subscription.handled ??= this.#saved.cursors.get(subscription.channel) ?? null
    }
  }

  /** Hands nothing more over, and says when the handlers at work have settled. */
  drain (): boolean {
    let settled = true
    for (const { queue } of this.#byChannel.values()) {
      queue.stop()
      if (queue.busy) settled = false
    }
    return settled
  }

  close (error: PushError | null): void {
    this.#closed = { error }
    for (const subscription of this.#byChannel.values()) subscription.close(error)
    this.#byChannel.clear()
  }

  #of (channel: string): Subscription {
    let subscription = this.#byChannel.get(channel)
    if (subscription === undefined) {
      this.#context.requests.forgetUnsubscribe(channel)
      subscription = new Subscription(channel, this.#saved.cursors.get(channel), this.#context)
      this.#byChannel.set(channel, subscription)
    }
    return subscription
  }

  async #leave (subscription: Subscription, member: Joined): Promise<void> {
    subscription.leave(member)
    member.ended(null)
    if (!subscription.idle || this.#byChannel.get(subscription.channel) !== subscription) return
    const { channel } = subscription
    const { acks, requests } = this.#context
    subscription.close(null)
    this.#byChannel.delete(channel)
    acks.forget(channel)
    this.#saved.forget(channel)
    await new Promise<void>((resolve) => requests.ask({ type: 'unsubscribe', channel }, () => resolve(), () => resolve()))
  }
}

// A code of a newer server refuses for good: [P-11.1].
function errorOf (code: string): PushError {
  return isCode(code) ? new PushError(code) : new PushError('PUSH_INVALID', code)
}

function deferred (): { promise: Promise<void>, resolve: () => void, reject: (error: unknown) => void } {
  let resolve = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<void>((...settle) => { [resolve, reject] = settle })
  promise.catch(() => {}) // nobody has to await it
  return { promise, resolve, reject }
}
