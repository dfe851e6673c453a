import { PushError } from '../../core/errors.js'
import { timely, type Server } from './connection.js'

/** It was written; whatever goes wrong from then on. */
const UNKNOWN = 'PUSH_STORAGE_UNKNOWN'

/** What `WAIT` is asked for. */
export interface Durability {
  readonly replicas: number
  /** Milliseconds. */
  readonly timeout: number
}

/** Calls to one server, and then one question. */
interface Round {
  readonly calls: Array<Promise<unknown>>
  /** Whether nothing can join it any more. */
  isClosed: boolean
  /** That replicas have it. */
  readonly done: Promise<void>
}

/**
 * Asks servers whether their replicas have what was written. Until they do, a connection does nothing else: so what is written in one turn of the event loop makes a round with
 * one question, and the next round begins when that is answered. Nothing waits in Redis that nobody waits for any more.
 */
export class Replicas {
  readonly #durability: Durability
  readonly #timeout: number
  readonly #onFree: () => void
  readonly #rounds = new Map<Server, Round>()

  /** `timeout`: how long a server has to answer, in milliseconds. `onFree`: the next round may begin. */
  constructor (durability: Durability, timeout: number, onFree: () => void) {
    this.#durability = durability
    this.#timeout = timeout
    this.#onFree = onFree
  }

  /** Whether what is to be written has to wait for the next round. */
  isBusy (server: Server): boolean {
    return this.#rounds.get(server)?.isClosed === true
  }

  /** What a call to a server resolves with, once replicas have what it wrote. Rejects with `PUSH_STORAGE_UNKNOWN` where too few of them have, or that cannot be known. */
  async having<Result> (server: Server, call: Promise<Result>): Promise<Result> {
    let round = this.#rounds.get(server)
    if (round === undefined) {
      const calls: Array<Promise<unknown>> = []
      round = { calls, isClosed: false, done: this.#ask(server, calls) }
      round.done.catch(() => {}) // whoever called is told
      this.#rounds.set(server, round)
    }
    round.calls.push(call)
    const result = await call
    await round.done.catch((error: unknown) => { throw error instanceof PushError && error.code === UNKNOWN ? error : new PushError(UNKNOWN, undefined, { cause: error }) })
    return result
  }

  /** A connection was lost, and with it what was under way. */
  lost (): void {
    this.#rounds.clear()
    this.#onFree()
  }

  async #ask (server: Server, calls: ReadonlyArray<Promise<unknown>>): Promise<void> {
    await null // all of this turn
    const round = this.#rounds.get(server)
    if (round !== undefined) round.isClosed = true
    const { replicas, timeout } = this.#durability
    try {
      const outcomes = await timely(Promise.allSettled(calls), this.#timeout)
      if (outcomes.every(({ status }) => status === 'rejected')) return
      const having = Number(await timely(server.callBuffer('WAIT', replicas, timeout), this.#timeout))
      if (having < replicas) throw new PushError(UNKNOWN, `only ${having} of ${replicas} replicas had it within ${timeout} ms`)
    } finally {
      if (round !== undefined && this.#rounds.get(server) === round) {
        this.#rounds.delete(server)
        this.#onFree()
      }
    }
  }
}
