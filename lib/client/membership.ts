import { PushError } from '../core/errors.js'
import type { Clock } from '../core/clock.js'
import { isCode } from '../protocol/codes.js'
import type { UnsubscribedFrame, WelcomeFrame } from '../protocol/frames.js'
import type { Backoff } from './backoff.js'
import { utf8Length } from './encoding.js'
import { checkPublish, encode } from './publish-frame.js'
import type { Requests } from './requests.js'
import type { Wire } from './session.js'

export interface MembershipContext {
  readonly clock: Clock
  readonly wire: Wire
  readonly requests: Requests
  readonly backoff: () => Backoff
  /** What no promise tells. */
  onError (channel: string, error: PushError): void
}

/** Bytes of a request's `id`, at the most. */
const ID_BYTES = 24

interface Waiter {
  resolve (): void
  reject (error: PushError): void
}

/** A channel that the client wants to be in, or to have left. */
interface Wish {
  readonly channel: string
  readonly type: 'enter' | 'leave'
  data: unknown
  waiters: Waiter[]
  /** Counts what the server was asked up: the latest answer counts. */
  asked: number
  readonly backoff: Backoff
  release: () => void
}

/** Where the client is a member: it enters again on every link, until it leaves. [P-12.7] */
export class Membership {
  readonly #context: MembershipContext
  /** By channel. One that was left is forgotten once the server knows. */
  readonly #wishes = new Map<string, Wish>()
  #closed: PushError | null = null
  #frameBytes = Infinity

  constructor (context: MembershipContext) {
    this.#context = context
  }

  /** Resolves when the server has taken it; rejects with the code of its refusal, or `PUSH_INVALID` for what JSON cannot hold. What may succeed later is tried again. */
  enter (channel: string, data: unknown): Promise<void> {
    return this.#wish(channel, 'enter', () => {
      if (data === undefined) return undefined
      checkPublish(data, {})
      return JSON.parse(encode(data)) as unknown // as it is now, whatever becomes of the object
    })
  }

  /** Resolves when the server has taken it. */
  leave (channel: string): Promise<void> {
    return this.#wish(channel, 'leave', () => undefined)
  }

  /** A link is live. What it was asked before the last one ended is not known there. */
  welcome ({ limits }: WelcomeFrame): void {
    this.#frameBytes = limits.frameBytes
    for (const wish of this.#wishes.values()) this.#ask(wish)
  }

  /** The server ended what this client had of a channel. With a code that says `later` it enters again. `told`: an error has said so already. [P-3.7] */
  revoked ({ channel, code = 'PUSH_FORBIDDEN' }: UnsubscribedFrame, told: boolean): void {
    const wish = this.#wishes.get(channel)
    if (wish?.type === 'enter') this.#refused(wish, new PushError(isCode(code) ? code : 'PUSH_FORBIDDEN'), told)
  }

  down (): void {
    for (const wish of this.#wishes.values()) {
      wish.asked++ // what was asked has no answer any more
      wish.release()
    }
  }

  close (error: PushError): void {
    this.#closed = error
    for (const wish of this.#wishes.values()) this.#end(wish, error)
  }

  #wish (channel: string, type: Wish['type'], read: () => unknown): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      if (this.#closed !== null) throw this.#closed
      const data = read()
      let wish = this.#wishes.get(channel)
      if (wish !== undefined && wish.type !== type) {
        this.#end(wish, new PushError('PUSH_ABORTED'))
        wish = undefined
      }
      if (wish === undefined) this.#wishes.set(channel, wish = { channel, type, data, waiters: [], asked: 0, backoff: this.#context.backoff(), release: () => {} })
      wish.data = data
      wish.waiters.push({ resolve, reject })
      if (this.#context.wire.live) this.#ask(wish)
    })
    promise.catch(() => {}) // nobody has to await it
    return promise
  }

  #ask (wish: Wish): void {
    const { channel, type, data } = wish
    wish.release()
    const turn = ++wish.asked
    const question = type === 'leave' ? { type, channel } : { type, channel, ...(data !== undefined && { data }) }
    // The server would close the connection on this.
    if (utf8Length(JSON.stringify(question)) + ID_BYTES > this.#frameBytes) return this.#refused(wish, new PushError('PUSH_TOO_LARGE'))
    this.#context.requests.ask(question, () => { if (turn === wish.asked) this.#done(wish) }, (error) => { if (turn === wish.asked) this.#refused(wish, error) })
  }

  #done (wish: Wish): void {
    wish.backoff.reset()
    for (const { resolve } of wish.waiters.splice(0)) resolve()
    if (wish.type === 'leave') this.#forget(wish)
  }

  #refused (wish: Wish, error: PushError, told = false): void {
    const { channel, waiters } = wish
    if (!told && (waiters.length === 0 || error.retryable)) this.#context.onError(channel, error)
    if (!error.retryable) return this.#end(wish, error)
    wish.release = this.#context.clock.after(wish.backoff.next(), () => this.#ask(wish))
  }

  #end (wish: Wish, error: PushError): void {
    for (const { reject } of wish.waiters.splice(0)) reject(error)
    wish.asked++
    this.#forget(wish)
  }

  #forget (wish: Wish): void {
    wish.release()
    if (this.#wishes.get(wish.channel) === wish) this.#wishes.delete(wish.channel)
  }
}
