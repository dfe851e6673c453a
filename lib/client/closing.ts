import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import type { Acks } from './acks.js'
import type { Publisher } from './publisher.js'
import type { SavedState } from './saved-state.js'
import type { Session } from './session.js'
import type { Subscriptions } from './subscriptions.js'

/** How long it waits for what is outstanding, unless told otherwise. Milliseconds. */
const TIMEOUT = 5_000

/** What has to settle before a client ends. */
export interface ClosingContext {
  readonly clock: Clock
  readonly session: Session
  readonly saved: SavedState
  readonly acks: Acks
  readonly publisher: Publisher
  readonly subscriptions: Subscriptions
  /** Reads what an earlier process left. Never rejects. */
  load (): Promise<void>
}

/** The end of a client that its application asked for: in order, and in bounded time. */
export class Closing {
  readonly #context: ClosingContext
  #closed: Promise<void> | null = null
  #saving: Promise<void> | undefined
  /** Looks whether it may go on. */
  #check: () => void = () => {}

  constructor (context: ClosingContext) {
    this.#context = context
  }

  /** Whether the application asked for it. */
  get begun (): boolean {
    return this.#closed !== null
  }

  /** Ends the session once nothing is outstanding, or after `timeout` milliseconds. Resolves when all is saved, or after as long again. Never rejects. */
  begin (timeout = TIMEOUT): Promise<void> {
    this.#closed ??= this.#close(timeout)
    return this.#closed
  }

  /** Something has settled. */
  check (): void {
    this.#check()
  }

  /** The session has ended, for whatever reason. `saving`: its last state is written. */
  ended (saving: Promise<void> | undefined): void {
    this.#saving = saving
    this.#check()
  }

  async #close (timeout: number): Promise<void> {
    const { session, saved, publisher, load } = this.#context
    if (session.state === 'closed') return
    publisher.stop(new PushError('PUSH_CLOSED'))
    // What is new is saved together with what an earlier process left, or not at all.
    if (!saved.loaded && !publisher.settled) await this.#bounded(load(), timeout)
    if (session.state !== 'idle') await this.#settled(timeout)
    await new Promise<void>((resolve) => session.close(null, resolve))
    await this.#bounded(this.#saving, timeout)
  }

  // Resolves when nothing is outstanding, or after `timeout`.
  #settled (timeout: number): Promise<void> {
    const { clock, session, acks, publisher, subscriptions } = this.#context
    return new Promise((resolve) => {
      const done = () => {
        release()
        this.#check = () => {}
        resolve()
      }
      const release = clock.after(timeout, done)
      this.#check = () => {
        const isDone = subscriptions.drain() && publisher.settled && acks.settled
        if (isDone || session.state === 'closed') done()
      }
      this.#check()
    })
  }

  #bounded (work: Promise<void> | undefined, timeout: number): Promise<void> {
    if (work === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      const release = this.#context.clock.after(timeout, resolve)
      work.then(() => {
        release()
        resolve()
      })
    })
  }
}
