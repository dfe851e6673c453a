import { PushError } from '../core/errors.js'
import { isCode } from '../protocol/codes.js'
import type {
  EnteredFrame, EnterFrame, ErrorFrame, HistoryFrame, HistoryReplyFrame, LeaveFrame, LeftFrame, PresenceFrame, PresenceReplyFrame, SubscribedFrame, SubscribeFrame,
  TokenFrame, TokenReplyFrame, UnreadFrame, UnreadReplyFrame, UnsubscribedFrame, UnsubscribeFrame
} from '../protocol/frames.js'
import type { Wire } from './session.js'

type Reply = SubscribedFrame | UnsubscribedFrame | HistoryReplyFrame | UnreadReplyFrame | TokenReplyFrame | EnteredFrame | LeftFrame | PresenceReplyFrame
type WithoutId<F> = F extends unknown ? Omit<F, 'id'> : never
type RequestFrame = SubscribeFrame | UnsubscribeFrame | HistoryFrame | UnreadFrame | TokenFrame | EnterFrame | LeaveFrame | PresenceFrame

/** A question without its number. */
export type Question = WithoutId<RequestFrame>

interface Pending {
  readonly frame: RequestFrame
  readonly done: (reply: Reply) => void
  readonly failed: (error: PushError) => void
}

/** Frames that are answered by their `id`. Those without an answer go out again on the next link: [P-3.6]. */
export class Requests {
  readonly #wire: Wire
  readonly #pending = new Map<number, Pending>()
  #lastId = 0

  constructor (wire: Wire) {
    this.#wire = wire
  }

  /** Asks, now or on the next link. Answers are told in the turn in which they come. */
  ask (question: Question, done: (reply: Reply) => void, failed: (error: PushError) => void): void {
    const id = ++this.#lastId
    const frame = { ...question, id } as RequestFrame
    this.#pending.set(id, { frame, done, failed })
    if (this.#wire.live) this.#wire.send(frame)
  }

  /** Takes a reply, or an error that carries an `id`. */
  answer (frame: Reply | ErrorFrame): void {
    const pending = frame.id === undefined ? undefined : this.#pending.get(frame.id)
    if (frame.id === undefined || pending === undefined) return
    this.#pending.delete(frame.id)
    if (frame.type !== 'error') return pending.done(frame)
    // A code of a newer server refuses for good: [P-11.1].
    pending.failed(isCode(frame.code) ? new PushError(frame.code, frame.text) : new PushError('PUSH_INVALID', `${frame.code}: ${frame.text}`))
  }

  /** The link is lost: subscribing, and who the user is, are the business of the next hello, entering and leaving that of the membership. */
  down (): void {
    this.#forget(({ type }) => type === 'subscribe' || type === 'token' || type === 'enter' || type === 'leave', () => {})
  }

  /** Asks again what was not answered. */
  resend (): void {
    for (const { frame } of this.#pending.values()) this.#wire.send(frame)
  }

  /** The channel is wanted again: what would end it is done with. */
  forgetUnsubscribe (channel: string): void {
    this.#forget((frame) => frame.type === 'unsubscribe' && frame.channel === channel,
      (pending) => pending.done({ type: 'unsubscribed', id: pending.frame.id, channel }))
  }

  close (error: PushError): void {
    this.#forget(() => true, (pending) => pending.failed(error))
  }

  #forget (which: (frame: RequestFrame) => boolean, then: (pending: Pending) => void): void {
    for (const [id, pending] of this.#pending) {
      if (!which(pending.frame)) continue
      this.#pending.delete(id)
      then(pending)
    }
  }
}
