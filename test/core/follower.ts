import type { resume, verdict } from '../../lib/core/position.js'
import { randomFrom } from '../../lib/testkit/conformance/kit.js'
import type { Position } from '../../types/message.js'
import type { LogState } from '../../types/storage.js'

/** The rule under test. */
export interface Rule {
  readonly verdict: typeof verdict
  readonly resume: typeof resume
}

class Wrong extends Error {}

function claim (holds: boolean, otherwise: string): void {
  if (!holds) throw new Wrong(otherwise)
}

/** A log that trims, is created anew, and loses its tail; each record it ever had has a number of its own. */
class Log {
  epoch = 'e0'
  first = 1
  records: number[] = [] // offsets 1, 2, 3 …; what lies before `first` is trimmed
  /** Of each epoch that this one continues, the latest first: what it had before it lost its tail. */
  pasts: Array<{ readonly epoch: string, readonly end: number, readonly records: readonly number[] }> = []
  #records = 0
  #epochs = 0

  state (): LogState {
    const { epoch, first, records, pasts } = this
    return { epoch, first, head: records.length, ...pasts.length > 0 && { continues: pasts.map(({ epoch, end }) => ({ epoch, end })) } }
  }

  append (): Position {
    this.records.push(++this.#records)
    return { epoch: this.epoch, offset: this.records.length }
  }

  trim (count: number): void {
    this.first = Math.min(this.first + count, this.records.length + 1)
  }

  createAnew (): void {
    this.epoch = `e${++this.#epochs}`
    this.records = []
    this.first = 1
    this.pasts = []
  }

  /** How many of its first records a position of another epoch shares with the log now; `null` where nothing is known of that epoch. */
  shares ({ epoch, offset }: Position): number | null {
    const past = this.pasts.find((each) => each.epoch === epoch)?.records
    if (past === undefined) return null
    let shared = 0
    while (shared < offset && past[shared] !== undefined && past[shared] === this.records[shared]) shared++
    return shared
  }

  loseTail (count: number): void {
    const end = Math.max(this.first - 1, this.records.length - count)
    this.pasts.unshift({ epoch: this.epoch, end, records: [...this.records] })
    this.epoch = `e${++this.#epochs}`
    this.records.length = end
  }
}

/** A subscriber that follows the rule, and claims after each step that nothing was lost, repeated or reordered in silence. */
class Follower {
  position: Position
  readonly #rule: Rule
  readonly #log: Log
  /** What the subscriber had, by the records' own numbers, and what a gap told it that it will not get. */
  readonly #had = new Set<number>()

  constructor (rule: Rule, log: Log) {
    this.#rule = rule
    this.#log = log
    this.position = { epoch: log.epoch, offset: log.records.length }
  }

  hear ({ epoch, offset }: Position, record: number): void {
    switch (this.#rule.verdict(this.position, epoch, offset)) {
      case 'duplicate': return
      case 'deliver': return this.#deliver({ epoch, offset }, record)
      case 'behind':
      case 'reset': this.mustCatchUp = true
    }
  }

  mustCatchUp = false

  /** One page. Returns whether the follower has come to the head. */
  readPage (limit: number): boolean {
    const state = this.#log.state()
    const { position, gap } = this.#rule.resume(this.position, state)
    const from = this.position
    claim(gap !== undefined || (position.epoch === from.epoch && position.offset === from.offset), 'moved in silence')
    if (gap?.reason === 'retention') {
      claim(gap.from === from.offset + 1 && gap.to === position.offset && gap.count === position.offset - from.offset, 'the gap names other records')
      claim(gap.to === state.first - 1, 'the gap names records that are there')
    }
    if (from.epoch !== position.epoch) this.#changeEpoch(from, position, state.first)
    this.position = position
    const end = Math.min(state.head, position.offset + limit)
    for (let offset = position.offset + 1; offset <= end; offset++) {
      claim(offset >= state.first, 'reads what is not there')
      this.#deliver({ epoch: state.epoch, offset }, this.#log.records[offset - 1] as number)
    }
    this.mustCatchUp = end < state.head
    return !this.mustCatchUp
  }

  #changeEpoch (from: Position, to: Position, first: number): void {
    const shared = this.#log.shares(from)
    if (shared === null) this.#had.clear() // a log whose connection with the old one is unknown is read whole, and the gap says so
    claim(to.offset === Math.max(shared ?? 0, first - 1), 'goes on elsewhere in the new epoch')
  }

  #deliver (position: Position, record: number): void {
    claim(position.epoch === this.position.epoch, 'delivers from another epoch')
    claim(position.offset === this.position.offset + 1, `delivers ${position.offset} after ${this.position.offset}`)
    claim(!this.#had.has(record), 'delivers a record twice')
    this.#had.add(record)
    this.position = position
  }
}

/** One random run. Returns what went wrong, or `null`. */
export function follow (rule: Rule, seed: number): string | null {
  const random = randomFrom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const log = new Log()
  const flying: Array<{ position: Position, record: number }> = []
  for (let i = below(4); i > 0; i--) log.append()
  const follower = new Follower(rule, log)
  const steps: Array<() => void> = [
    () => { const position = log.append(); flying.push({ position, record: log.records[position.offset - 1] as number }) },
    () => { const heard = flying[0]; if (heard) { flying.shift(); follower.hear(heard.position, heard.record) } },
    () => { const heard = flying[below(flying.length)]; if (heard) follower.hear(heard.position, heard.record) }, // again, or too early
    () => { if (random() < 0.3) flying.splice(below(flying.length), 1) },
    () => { if (follower.mustCatchUp) follower.readPage(1 + below(3)) },
    () => { if (random() < 0.2) log.trim(1 + below(3)) },
    () => { if (random() < 0.03) log.createAnew() },
    () => { if (random() < 0.03) log.loseTail(below(3)) }
  ]
  try {
    for (let step = 0; step < 120; step++) (steps[below(10)] ?? steps[below(2)] as () => void)()
    // The interruption is over: the follower is told the head, and reads until it is there.
    for (let pages = 0; !follower.readPage(2); pages++) claim(pages < 200, 'never comes to the head')
    const { epoch, offset } = follower.position
    claim(epoch === log.epoch && offset === log.records.length, 'does not stand at the head')
    const heard = log.append()
    follower.hear(heard, log.records.at(-1) as number)
    claim(follower.position.offset === heard.offset && follower.position.epoch === heard.epoch, 'is not live at the head')
    return null
  } catch (error) {
    if (error instanceof Wrong) return error.message
    throw error
  }
}
