import type { Position } from '../../types/message.js'
import type { Clock } from '../core/clock.js'
import { Deadlines, type Deadline } from '../core/deadlines.js'
import type { Channel } from './channels.js'

/** Messages of one list at the most, and bytes of their bodies. */
const MESSAGES = 100_000
const BODY_BYTES = 64 * 1024 * 1024

/** A message that nobody has acknowledged yet. */
export interface Watched {
  readonly inbox: Channel
  readonly position: Position
  /** Where it will be gone from the log by then. */
  readonly body: Uint8Array | null
}

interface Entry extends Watched {
  deadline: Deadline<Entry> | null
  isPostponed: boolean
}

/** Messages that wait for a moment, or for being acknowledged before it. Bounded. */
export class Watchlist {
  readonly #deadlines: Deadlines<Entry>
  readonly #inboxes = new Map<string, Set<Entry>>()
  #size = 0
  #bytes = 0

  /** `due` is told of each message whose moment has come. It stays in the list until it is deleted. */
  constructor (clock: Clock, due: (watched: Watched) => void) {
    this.#deadlines = new Deadlines<Entry>(clock, due)
  }

  /** Returns whether there was room for it. */
  add (at: number, watched: Watched): boolean {
    const bytes = watched.body?.byteLength ?? 0
    if (this.#size >= MESSAGES || this.#bytes + bytes > BODY_BYTES) return false
    const entry: Entry = { ...watched, deadline: null, isPostponed: false }
    entry.deadline = this.#deadlines.add(at, entry)
    this.#size++
    this.#bytes += bytes
    const others = this.#inboxes.get(watched.inbox.name)
    if (others === undefined) this.#inboxes.set(watched.inbox.name, new Set([entry]))
    else others.add(entry)
    return true
  }

  /** Whether it is still in the list. */
  has (watched: Watched): boolean {
    return this.#inboxes.get(watched.inbox.name)?.has(watched as Entry) ?? false
  }

  /** One whose moment has come has another one, if it is still in the list. Returns whether that is its first. */
  postpone (watched: Watched, at: number): boolean {
    const entry = watched as Entry
    if (!this.has(entry)) return false
    entry.deadline = this.#deadlines.add(at, entry)
    const isFirst = !entry.isPostponed
    entry.isPostponed = true
    return isFirst
  }

  delete (watched: Watched): void {
    const entry = watched as Entry
    const inbox = this.#inboxes.get(entry.inbox.name)
    if (inbox?.delete(entry) !== true) return
    if (inbox.size === 0) this.#inboxes.delete(entry.inbox.name)
    if (entry.deadline !== null) this.#deadlines.delete(entry.deadline)
    this.#size--
    this.#bytes -= entry.body?.byteLength ?? 0
  }

  /** Takes out what has been acknowledged. They are in the order in which they were sent, or nearly so: one passed over here is seen when its moment has come. */
  acknowledged (inbox: string, { epoch, offset }: Position): void {
    for (const entry of this.#inboxes.get(inbox) ?? []) {
      if (entry.position.epoch !== epoch) continue
      if (entry.position.offset > offset) return
      this.delete(entry)
    }
  }

  clear (): void {
    this.#deadlines.clear()
    this.#inboxes.clear()
    this.#size = this.#bytes = 0
  }
}
