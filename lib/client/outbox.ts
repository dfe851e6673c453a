import type { Position } from '../../types/message.js'
import { PushError } from '../core/errors.js'
import { utf8Length } from './encoding.js'
import type { SavedMessage } from './saved-value.js'

/** What became of a publish. */
export interface Published {
  /** The message's id: the one that was given, or one made. At QoS 0 without an id of yours it names nothing on the server. */
  readonly id: string
  /** `null` where the message was not stored, or a repeat's position is not known any more. */
  readonly position: Position | null
  /** Whether it had been stored before. */
  readonly duplicate: boolean
}

/** A message of QoS 1 or 2 that is not acknowledged. */
export interface OutboxItem extends Omit<SavedMessage, 'publisher' | 'sequence'> {
  readonly bytes: number
  /** `null` until it is about to be sent for the first time. */
  key: { readonly publisher: string, readonly sequence: number } | null
  /** A copy was sent whose fate is not known. */
  doubtful: boolean
  /** Its key is in the store. */
  saved: boolean
  readonly resolve: (outcome: Published) => void
  readonly reject: (error: PushError) => void
}

/** The unacknowledged messages of one channel, in order. The first `inFlight` of them are sent and not answered. */
export interface Run {
  readonly channel: string
  readonly items: OutboxItem[]
  inFlight: number
  /** Whose run the server follows on this link; `null`: it has to be started. */
  publisher: string | null
  /** Set while the run waits before it goes on. */
  release: (() => void) | null
  saving: boolean
}

/** The id of an item, as the server makes it where none was given. */
export function idOf (item: OutboxItem): string | undefined {
  return item.id ?? (item.key === null ? undefined : `${item.key.publisher}.${item.key.sequence}`)
}

/** What a refusal means: nothing about an earlier copy of the message, whose outcome stays unknown. [P-5.6] */
export function giveUp (item: OutboxItem, error: PushError): void {
  const id = idOf(item)
  if (item.doubtful) item.reject(new PushError('PUSH_UNKNOWN', undefined, { cause: error, id }))
  else if (error.id === id) item.reject(error)
  else item.reject(new PushError(error.code, error.message, { cause: error.cause, id }))
}

/** Everything that is not acknowledged, within bounds. */
export class Outbox {
  readonly runs = new Map<string, Run>()
  readonly #limits: { readonly items: number, readonly bytes: number }
  #items = 0
  #bytes = 0

  constructor (limits: { readonly items: number, readonly bytes: number }) {
    this.#limits = limits
  }

  get empty (): boolean {
    return this.#items === 0
  }

  /** Throws `PUSH_OUTBOX_FULL`. */
  add (item: OutboxItem): Run {
    if (this.#items >= this.#limits.items || this.#bytes + item.bytes > this.#limits.bytes) throw new PushError('PUSH_OUTBOX_FULL')
    const run = this.#count(item)
    run.items.push(item)
    return run
  }

  remove (run: Run, item: OutboxItem): void {
    const at = run.items.indexOf(item)
    if (at === -1) return
    run.items.splice(at, 1)
    this.#items--
    this.#bytes -= item.bytes
    if (run.items.length > 0) return
    run.release?.()
    // A started run is remembered: its next frame need not start it anew.
    if (run.publisher === null) this.runs.delete(run.channel)
  }

  /** Puts what an earlier process left before everything else. What it sent is doubtful. */
  restore (saved: readonly SavedMessage[], reject: (error: PushError) => void): void {
    for (const message of [...saved].reverse()) {
      const { publisher, sequence } = message
      const key = publisher === undefined || sequence === undefined ? null : { publisher, sequence }
      const item = { ...message, bytes: utf8Length(message.json), key, doubtful: key !== null, saved: key !== null, resolve: () => {}, reject }
      this.#count(item).items.unshift(item)
    }
  }

  /** Every item, for the store. */
  save (): SavedMessage[] {
    const saved: SavedMessage[] = []
    for (const { items } of this.runs.values()) {
      for (const { channel, qos, json, id, expires, key } of items) saved.push({ channel, qos, json, id, expires, ...key })
    }
    return saved
  }

  #count (item: OutboxItem): Run {
    this.#items++
    this.#bytes += item.bytes
    let run = this.runs.get(item.channel)
    if (run === undefined) {
      run = { channel: item.channel, items: [], inFlight: 0, publisher: null, release: null, saving: false }
      this.runs.set(item.channel, run)
    }
    return run
  }
}
