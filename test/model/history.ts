import type { Position, QoS } from '../../types/message.js'
import type { Draft } from '../../types/storage.js'

/** What can be wrong with a run. Each kind is one promise of the design that did not hold. */
export type Violation =
  // what is stored
  | 'acknowledged-not-stored' | 'wrong-position' | 'refused-stored' | 'stored-twice' | 'never-published' | 'sent-anew' | 'needless-unknown' | 'publisher-order' | 'conflict-missed'
  // what is handed to handlers
  | 'repeat' | 'repeat-after-save' | 'disorder' | 'hole' | 'silent-epoch' | 'false-gap' | 'log-disagreement' | 'lost'
  // cursors and acknowledgements
  | 'acknowledged-not-handled' | 'acknowledged-not-saved' | 'cursor-leads' | 'cursor-lags' | 'cursor-back' | 'not-fenced' | 'confirmed-not-stored' | 'resumed-wrong'
  // connections
  | 'window' | 'wire-hole' | 'wire-repeat' | 'two-owners' | 'bad-bytes' | 'bad-frame'
  // the processes
  | 'never-settled' | 'unhandled-rejection' | 'thrown' | 'timers-left' | 'not-live' | 'endless'

export interface Finding { readonly kind: Violation, readonly at: number, readonly text: string }

/** The payload of every message of the model. */
export interface Payload { readonly ref: number }

/** One message that somebody meant to publish. */
export interface Publish {
  readonly ref: number
  readonly channel: string
  readonly at: number
  readonly qos: QoS
  /** The process that published. */
  readonly by: string
  /** Whether the process promises to keep the order of what it publishes. */
  readonly ordered: boolean
  readonly id: string | undefined
  /** A server published it without a `ttl`: the same call can be made once more. */
  readonly plain: boolean
  /** Calls that have not settled, and how the others ended. A retry is another call of the same message. */
  pending: number
  ok: number
  refused: number
  unknown: number
  /** The client has taken a new identity since the call: a message of QoS 1 may be stored once more. */
  renewed: boolean
  /** It has left on a connection. */
  sent: boolean
  /** When it left last. */
  sentAt: number
  refusedAt: number
}

/** One record that was stored. */
export interface Entry {
  readonly ref: number
  readonly qos: QoS
  readonly at: number
  readonly ttl: number
  /** Which store: another number after each loss. */
  readonly store: number
}

/** How long an id is remembered, in milliseconds. */
export const ID_WINDOW = 60_000

/** What really happened: every call, every record ever stored, and what was found wrong. */
export class History {
  readonly findings: Finding[] = []
  readonly publishes: Publish[] = []
  /** By channel and epoch: the record at an offset. */
  readonly logs = new Map<string, Map<number, Entry>>()
  /** Each copy of a message, in the order of storing. */
  readonly copies = new Map<number, Array<{ channel: string, position: Position, entry: Entry }>>()
  /** Counts the losses of the store. */
  store = 0
  /** The last things that happened. */
  readonly trace: string[] = []
  readonly #now: () => number
  readonly #ids = new Map<string, Entry>()

  constructor (now: () => number) {
    this.#now = now
  }

  get now (): number {
    return this.#now()
  }

  note (text: string): void {
    this.trace.push(`${this.now.toFixed(0).padStart(8)}  ${text}`)
    if (this.trace.length > 4000) this.trace.splice(0, 2000)
  }

  found (kind: Violation, text: string): void {
    this.findings.push({ kind, at: this.now, text })
    this.note(`### ${kind}: ${text}`)
  }

  publish (by: string, channel: string, qos: QoS, options: { id?: string | undefined, ordered: boolean, plain?: boolean }): Publish {
    const publish: Publish = {
      ref: this.publishes.length, channel, at: this.now, qos, by, ordered: options.ordered, id: options.id, plain: options.plain ?? false, pending: 0, ok: 0, refused: 0, unknown: 0, renewed: false, sent: false, sentAt: -1, refusedAt: -1
    }
    this.publishes.push(publish)
    return publish
  }

  /** A client sends it. What was sent and stored at QoS 2 must not be sent again once the session was forgotten: nobody would recognise it. */
  sent (ref: number): void {
    const publish = this.publishes[ref]
    if (publish === undefined) return
    if (publish.qos === 2 && publish.sent && publish.renewed) this.found('sent-anew', `#${ref} by ${publish.by} is sent again after its session was lost`)
    publish.sent = true
    publish.sentAt = this.now
  }

  log (channel: string, epoch: string): Map<number, Entry> {
    const key = `${channel}\n${epoch}`
    let log = this.logs.get(key)
    if (log === undefined) this.logs.set(key, log = new Map())
    return log
  }

  stored (channel: string, draft: Draft, position: Position): void {
    const { ref } = payloadOf(draft.body)
    const entry = { ref, qos: draft.qos, at: this.now, ttl: draft.ttl ?? Infinity, store: this.store }
    const log = this.log(channel, position.epoch)
    if (log.has(position.offset)) this.found('log-disagreement', `${channel} ${show(position)} was stored twice`)
    log.set(position.offset, entry)
    const copies = this.copies.get(ref) ?? []
    copies.push({ channel, position, entry })
    this.copies.set(ref, copies)
    this.#checkId(channel, ref, entry)
    this.note(`stored #${ref} at ${channel} ${show(position)}`)
  }

  // Of all messages under one id, only one is stored while the id is remembered.
  #checkId (channel: string, ref: number, entry: Entry): void {
    const id = this.publishes[ref]?.id
    if (id === undefined) return
    const other = this.#ids.get(`${channel} ${id}`)
    if (other !== undefined && other.ref !== ref && other.store === entry.store && entry.at - other.at < ID_WINDOW) {
      this.found('conflict-missed', `#${ref} is stored under the id of #${other.ref}`)
    }
    this.#ids.set(`${channel} ${id}`, entry)
  }

  /** Whether a subscriber may do without the record at an offset, from now on. */
  isHole (channel: string, epoch: string, offset: number): boolean {
    const entry = this.log(channel, epoch).get(offset)
    return entry !== undefined && (entry.qos === 0 || this.now >= entry.at + entry.ttl)
  }

  /** The first offset in `from … to` that may not be missing, or `undefined`. */
  firstDue (channel: string, epoch: string, from: number, to: number): number | undefined {
    for (let offset = from; offset <= to; offset++) {
      if (!this.isHole(channel, epoch, offset)) return offset
    }
    return undefined
  }
}

export function payloadOf (body: Uint8Array): Payload {
  return (JSON.parse(Buffer.from(body).toString('utf8')) as { data: Payload }).data
}

export function show (position: Position | null | undefined): string {
  return position == null ? 'nowhere' : `${position.epoch.slice(0, 4)}:${position.offset}`
}
