import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { HALF } from './spans.js'

/** So much more time than a test lets pass may pass without touching its outcome: everything in the tests is at least {@link HALF} / 2 away from its end. Milliseconds. */
const SLACK = 0.4 * HALF

/** How often a test is run before it fails because the machine is too slow for it. */
const ATTEMPTS = 6

interface Attempt {
  began: number
  /** Milliseconds that the test let pass. */
  asked: number
  /** How far what really passed was ahead of that, at the most. */
  late: number
  /** Whether what fails now has failed for good, however late it is. */
  isFinal: boolean
}

/**
 * How the time of an adapter passes whose clock is real. Operations take time too: it is part of what a test lets pass, or it would add up. Where they took so long that
 * something may have ended before the test meant it to, a failure proves nothing, and the test is run again.
 */
export class RealTime {
  readonly #running = new AsyncLocalStorage<Attempt>()
  readonly #now: () => number

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor (now = () => performance.now()) {
    this.#now = now
  }

  /** Runs a test, and says why it runs it again. */
  async run (body: () => Promise<void>, onAgain: (error: Error) => void): Promise<void> {
    for (let count = 1; ; count++) {
      const attempt: Attempt = { began: this.#now(), asked: 0, late: 0, isFinal: false }
      try {
        return await this.#running.run(attempt, body)
      } catch (error) {
        this.#look(attempt)
        // A test that let no time pass does not hang on it.
        if (attempt.isFinal || attempt.asked === 0 || attempt.late <= SLACK) throw error
        const slow = new Error(`too slow for this test: ${Math.round(attempt.late)} ms late in attempt ${count} of ${ATTEMPTS}`, { cause: error })
        if (count === ATTEMPTS) throw slow
        onAgain(slow)
      }
    }
  }

  /** The test that runs begins only now: it has just opened what it needs. */
  begin (): void {
    const attempt = this.#running.getStore()
    if (attempt?.asked === 0) attempt.began = this.#now()
  }

  /** Lets so many milliseconds pass in the test that runs, those that its operations took among them. */
  async advance (ms: number): Promise<void> {
    const attempt = this.#running.getStore()
    if (attempt === undefined) throw new Error('outside of a test')
    this.#look(attempt)
    attempt.asked += ms
    await sleep(Math.max(0, attempt.began + attempt.asked - this.#now()))
  }

  /** Whether the operations of the test that runs have taken so long that it had better let some time pass before the next one. */
  get isBehind (): boolean {
    const attempt = this.#running.getStore()
    return attempt !== undefined && this.#lateness(attempt) > SLACK / 2
  }

  /** What fails now in the test that runs has waited long enough: it is not run again. */
  conclude (): void {
    const attempt = this.#running.getStore()
    if (attempt !== undefined) attempt.isFinal = true
  }

  #look (attempt: Attempt): void {
    attempt.late = Math.max(attempt.late, this.#lateness(attempt))
  }

  #lateness ({ began, asked }: Attempt): number {
    return this.#now() - began - asked
  }
}
