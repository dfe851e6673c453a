import { PushError } from '../../core/errors.js'
import type { AppendOutcome, Draft, Retention } from '../../../types/storage.js'
import { Timeouts } from './timeouts.js'

/** Drafts that go in one append at the most: Redis does nothing else meanwhile. */
const RUN = 512
const RUN_BYTES = 1024 * 1024

export interface LanesOptions {
  readonly append: (channel: string, drafts: readonly Draft[], retention: Retention) => Promise<AppendOutcome[]>
  /** Milliseconds until one is given up, its turn included. */
  readonly timeout: number
  /** Appends that are under way or wait for their turn, at the most; more are refused with `PUSH_BUSY`. */
  readonly inFlight: number
}

interface Waiting {
  readonly drafts: readonly Draft[]
  readonly retention: Retention
  readonly resolve: (outcomes: AppendOutcome[]) => void
  readonly reject: (error: unknown) => void
  state: 'waiting' | 'sent' | 'given up'
}

/**
 * Appends to each channel one after the other: what comes while one is under way goes with the next one, all together. So the order holds although commands are
 * redirected or sent again, and the more there is to do the less each costs.
 */
export class Lanes {
  readonly #options: LanesOptions
  /** What waits, by channel. A channel without one has nothing under way. */
  readonly #lanes = new Map<string, Waiting[]>()
  readonly #pending: Timeouts<Waiting>

  constructor (options: LanesOptions) {
    this.#options = options
    this.#pending = new Timeouts(options.timeout, (each) => this.#giveUp(each))
  }

  append (channel: string, drafts: readonly Draft[], retention: Retention): Promise<AppendOutcome[]> {
    return new Promise((resolve, reject) => {
      if (this.#pending.size >= this.#options.inFlight) return reject(new PushError('PUSH_BUSY', 'too much work waits for Redis'))
      const waiting: Waiting = { drafts, retention, resolve, reject, state: 'waiting' }
      this.#pending.add(waiting)
      const lane = this.#lanes.get(channel)
      if (lane !== undefined) {
        lane.push(waiting)
        return
      }
      const first = [waiting]
      this.#lanes.set(channel, first)
      // Whatever is published in this turn goes together.
      queueMicrotask(() => { this.#go(channel, first) })
    })
  }

  #go (channel: string, lane: Waiting[]): void {
    const gone = lane.findIndex(({ state }) => state === 'waiting')
    lane.splice(0, gone < 0 ? lane.length : gone) // they have waited for the longest
    const [first] = lane
    if (first === undefined) {
      this.#lanes.delete(channel)
      return
    }
    const run = take(lane, first.retention)
    for (const each of run) each.state = 'sent'
    const drafts = run.length === 1 ? first.drafts : run.flatMap((each) => each.drafts)
    this.#options.append(channel, drafts, first.retention).then((outcomes) => {
      let at = 0
      for (const each of run) {
        this.#pending.delete(each)
        each.resolve(outcomes.slice(at, at += each.drafts.length))
      }
    }, (error: unknown) => {
      for (const each of run) {
        this.#pending.delete(each)
        each.reject(error)
      }
    }).finally(() => { this.#go(channel, lane) })
  }

  // What has not had its turn by then will not have it.
  #giveUp (waiting: Waiting): void {
    const code = waiting.state === 'sent' ? 'PUSH_STORAGE_UNKNOWN' : 'PUSH_STORAGE_UNAVAILABLE'
    waiting.state = 'given up'
    waiting.reject(new PushError(code, `no answer within ${this.#options.timeout} ms`))
  }
}

// Takes what can go together off the front.
function take (lane: Waiting[], retention: Retention): Waiting[] {
  let drafts = 0
  let bytes = 0
  let count = 0
  for (const each of lane) {
    if (count > 0 && (each.retention !== retention || drafts >= RUN || bytes >= RUN_BYTES)) break
    drafts += each.drafts.length
    for (const { body } of each.drafts) bytes += body.byteLength
    count++
  }
  return lane.splice(0, count)
}
