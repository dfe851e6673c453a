import type { Message } from '../../types/message.js'
import type { PushError } from '../core/errors.js'
import type { Subscribed } from './subscriptions.js'

type Join = (handler: (message: Message) => unknown, ended: (error: PushError | null) => void) => Subscribed

/**
 * A subscription as an async iterator. Each message counts as handled when the next one is asked for, so a loop
 * that is left in the middle leaves its last message unacknowledged. Ends when the client is closed; throws the error that ended it otherwise.
 */
export class MessageIterator<Data> implements AsyncIterableIterator<Message<Data>> {
  readonly #subscription: Subscribed
  /** Settles the message that was handed out last. */
  #handled: () => void = () => {}
  #waiting: { readonly message: Message, readonly handled: () => void } | null = null
  #asking: Array<{ resolve: (result: IteratorResult<Message<Data>>) => void, reject: (error: unknown) => void }> = []
  #over: { readonly error: PushError | null } | null = null

  constructor (join: Join) {
    this.#subscription = join((message) => new Promise<void>((resolve) => {
      this.#waiting = { message, handled: resolve }
      this.#serve()
    }), (error) => {
      this.#over ??= { error }
      this.#serve()
    })
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  next (): Promise<IteratorResult<Message<Data>>> {
    const result = new Promise<IteratorResult<Message<Data>>>((resolve, reject) => this.#asking.push({ resolve, reject }))
    const handled = this.#handled
    this.#handled = () => {}
    handled()
    this.#serve()
    return result
  }

  async return (): Promise<IteratorResult<Message<Data>>> {
    this.#over ??= { error: null }
    this.#subscription.unsubscribe()
    this.#serve()
    return { done: true, value: undefined }
  }

  #serve (): void {
    const asking = this.#asking[0]
    if (asking === undefined) return
    if (this.#over !== null) {
      const { error } = this.#over
      this.#over = { error: null } // told once
      for (const { resolve, reject } of this.#asking.splice(0)) error === null ? resolve({ done: true, value: undefined }) : reject(error)
    } else if (this.#waiting !== null) {
      const { message, handled } = this.#waiting
      this.#waiting = null
      this.#handled = handled
      this.#asking.shift()
      asking.resolve({ done: false, value: message as Message<Data> })
    }
  }
}
