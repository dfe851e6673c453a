import type { AppendOutcome, Draft, Retention } from '../../../types/storage.js'

type Append = (channel: string, drafts: readonly Draft[], retention: Retention) => Promise<AppendOutcome[]>

/** Drafts that go in one append at the most: Redis does nothing else meanwhile. */
const RUN = 512
const RUN_BYTES = 1024 * 1024

interface Waiting {
  readonly drafts: readonly Draft[]
  readonly retention: Retention
  readonly resolve: (outcomes: AppendOutcome[]) => void
  readonly reject: (error: unknown) => void
}

/**
 * Appends to each channel one after the other: what comes while one is under way goes with the next one, all together. So the order holds although commands are
 * redirected or sent again, and the more there is to do the less each costs.
 */
export class Lanes {
  readonly #append: Append
  /** What waits, by channel. A channel without one has nothing under way. */
  readonly #lanes = new Map<string, Waiting[]>()

  constructor (append: Append) {
    this.#append = append
  }

  append (channel: string, drafts: readonly Draft[], retention: Retention): Promise<AppendOutcome[]> {
    return new Promise((resolve, reject) => {
      const waiting = { drafts, retention, resolve, reject }
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
    const [first] = lane
    if (first === undefined) {
      this.#lanes.delete(channel)
      return
    }
    const run = take(lane, first.retention)
    const drafts = run.length === 1 ? first.drafts : run.flatMap((each) => each.drafts)
    this.#append(channel, drafts, first.retention).then((outcomes) => {
      let at = 0
      for (const each of run) each.resolve(outcomes.slice(at, at += each.drafts.length))
    }, (error: unknown) => {
      for (const each of run) each.reject(error)
    }).finally(() => { this.#go(channel, lane) })
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
