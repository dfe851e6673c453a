import type { Position } from '../../types/message.js'
import type { CursorCommit } from '../../types/storage.js'
import { show, type History } from './history.js'

interface Writer { generation: number, number: number, since: number, at: number, store: number }

/** Holds every commit of a cursor against the rules: forward only, fenced by generation, across epochs by (generation, number). */
export class CursorChecks {
  readonly #history: History
  readonly #writers = new Map<string, Writer>()
  /** What was ever committed, by session, channel and epoch, and when. */
  readonly #commits = new Map<string, Array<{ offset: number, at: number }>>()
  /** The furthest commit of each, whatever became of the cursor. */
  readonly #furthest = new Map<string, number>()
  /** What of `… position` no process of the session's client has handled, or `undefined`. */
  readonly #unhandled: (session: string, channel: string, position: Position) => number | undefined

  constructor (history: History, unhandled: (session: string, channel: string, position: Position) => number | undefined) {
    this.#history = history
    this.#unhandled = unhandled
  }

  committed (channel: string, commit: CursorCommit, outcome: 'committed' | 'fenced', before: Position | null, after: Position | null): void {
    const { session, generation, number, position } = commit
    const key = `${session}\n${channel}`
    if (before === null) this.#writers.delete(key)
    const writer = this.#writers.get(key)
    const what = `${session} in ${channel}: ${show(position)} by (${generation}, ${number}), from ${show(before)} to ${show(after)}`
    this.#history.note(`cursor of ${what}: ${outcome}`)
    if (writer !== undefined && generation < writer.generation) {
      if (outcome !== 'fenced') this.#history.found('not-fenced', `${what}, after generation ${writer.generation}`)
    } else {
      this.#checkForward(what, writer, commit, before, after)
      if (outcome === 'committed') this.#checkLead(what, commit, channel)
    }
    if (outcome === 'fenced') return
    const place = `${key}\n${position.epoch}`
    this.#furthest.set(place, Math.max(this.#furthest.get(place) ?? -1, position.offset))
    this.#commits.set(place, [...this.#commits.get(place) ?? [], { offset: position.offset, at: this.#history.now }])
    const isLater = writer === undefined || generation > writer.generation || number > writer.number
    const { now, store } = this.#history
    if (isLater) this.#writers.set(key, { generation, number, since: writer?.since ?? now, at: now, store })
  }

  /** Whether the store has had to know a cursor since `time`: it was written before, not `ttl` milliseconds ago, and the store was not lost. */
  knows (session: string, channel: string, time: number, ttl: number): boolean {
    const writer = this.#writers.get(`${session}\n${channel}`)
    return writer !== undefined && writer.store === this.#history.store && writer.since < time && this.#history.now - writer.at < ttl
  }

  /** Whether a cursor has, up to `time`, ever been at or beyond a position. */
  reached (session: string, channel: string, { epoch, offset }: Position, time = Infinity): boolean {
    const commits = this.#commits.get(`${session}\n${channel}\n${epoch}`) ?? []
    return commits.some((commit) => commit.offset >= offset && commit.at <= time)
  }

  /** Whether a cursor has ever been at or beyond a position, also one that was removed since: who is told of it may hear of it later. */
  everReached (session: string, channel: string, { epoch, offset }: Position): boolean {
    return (this.#furthest.get(`${session}\n${channel}\n${epoch}`) ?? -1) >= offset
  }

  /** The cursor was removed. */
  removed (session: string, channel: string): void {
    const key = `${session}\n${channel}`
    this.#writers.delete(key)
    for (const place of this.#commits.keys()) {
      if (place.startsWith(`${key}\n`)) this.#commits.delete(place)
    }
  }

  #checkForward (what: string, writer: Writer | undefined, commit: CursorCommit, before: Position | null, after: Position | null): void {
    if (before === null || after === null) return
    const back = before.epoch === after.epoch
      ? after.offset < before.offset
      : writer !== undefined && commit.generation === writer.generation && commit.number <= writer.number
    if (back) this.#history.found('cursor-back', what)
  }

  #checkLead (what: string, { session, position }: CursorCommit, channel: string): void {
    const due = this.#unhandled(session, channel, position)
    if (due !== undefined) this.#history.found('cursor-leads', `${what}, and ${due} was not handled`)
  }
}
