import type { Clock } from '../core/clock.js'
import type { PageQuery, Pages, SharedPage } from './pages.js'
import type { ReadTurns } from './read-turns.js'

/** First and longest pause after a read failed, in milliseconds. */
const RETRY_FIRST = 100
const RETRY_LONGEST = 5000

export interface CatchUpContext {
  readonly pages: Pages
  readonly clock: Clock
  /** An error that no caller is waiting for. */
  readonly onError: (error: unknown) => void
}

/** Whoever is behind. */
export interface Behind {
  /** When it may read. */
  readonly reads: ReadTurns
  /** What to read next. */
  query (): PageQuery
  /** A page came. What is thrown here counts as a read that failed. */
  take (page: SharedPage): void
  /** Nothing stands against going on any more. */
  settle (): void
}

/** Reads the log for somebody who is behind: one page at a time, in turn with others, and after a pause again when that failed. */
export class CatchUp {
  /** Whether a page is on its way. */
  reading = false
  readonly #context: CatchUpContext
  readonly #behind: Behind
  #retry: (() => void) | null = null
  #failures = 0
  #closed = false

  constructor (context: CatchUpContext, behind: Behind) {
    this.#context = context
    this.#behind = behind
  }

  /** Whether a page is on its way, or will be without anybody's doing. */
  get busy (): boolean {
    return this.reading || this.#retry !== null || this.#behind.reads.awaits(this.#behind)
  }

  /** Reads the next page, unless one is on its way or a pause is not over. */
  go (): void {
    if (this.reading || this.#retry !== null || !this.#behind.reads.take(this.#behind)) return
    this.#read().catch(this.#context.onError)
  }

  async #read (): Promise<void> {
    this.reading = true
    try {
      const page = await this.#context.pages.read(this.#behind.query())
      if (this.#closed) return
      this.#behind.take(page)
      this.#failures = 0
    } catch (error) {
      if (!this.#closed) this.#retryLater(error)
    } finally {
      this.reading = false
      this.#behind.reads.give()
      this.#behind.settle()
    }
  }

  #retryLater (error: unknown): void {
    const pause = Math.min(RETRY_FIRST * 2 ** this.#failures++, RETRY_LONGEST)
    this.#retry = this.#context.clock.after(pause, () => {
      this.#retry = null
      this.#behind.settle()
    })
    this.#context.onError(error)
  }

  /** Reads no more; a page on its way is not taken. */
  close (): void {
    this.#closed = true
    this.#behind.reads.leave(this.#behind)
    this.#retry?.()
    this.#retry = null
  }
}
