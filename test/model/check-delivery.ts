import type { Gap, Message, Position, QoS } from '../../types/message.js'
import { show, type History, type Payload } from './history.js'

interface Told { readonly epoch: string, readonly from: number, readonly to: number }

/** What one process of a client has had of one channel. */
export class Reader {
  readonly process: string
  readonly channel: string
  readonly qos: QoS
  /** When the application subscribed. */
  readonly since: number
  /** Up to here the application has had everything, or was told what it will not have. */
  stand: Position | null = null
  /** The position its own store had when the process began. */
  saved: Position | null = null
  /** The application has ended the subscription: what comes next begins anew. */
  ended = false
  /** The messages it was handed. */
  readonly had = new Set<number>()
  /** Handed over, and the handler has not settled. */
  readonly unsettled = new Set<number>()
  /** Up to here handlers have settled, or there was nothing to handle. */
  settled: Position | null = null
  /** The same for each epoch it has been in. */
  readonly #settledIn = new Map<string, number>()
  readonly #history: History
  readonly #gaps: Told[] = []
  /** Up to here another process has had everything. */
  readonly #elsewhere: Position[] = []
  /** Where it may begin in an epoch that it was told of. */
  readonly #begins = new Map<string, number>()
  /** Refs of messages without a position, each to be had once. */
  readonly #volatile = new Set<number>()
  #retry: string | null = null

  constructor (history: History, process: string, channel: string, qos: QoS) {
    this.#history = history
    this.since = history.now
    this.process = process
    this.channel = channel
    this.qos = qos
  }

  /**
   * The server has said where the subscription begins. Counts once; afterwards only a gap may move it, or another process
   * of the same client, which has handled the rest.
   */
  begins (position: Position, elsewhere: (position: Position) => boolean = () => false): void {
    if (this.stand === null) this.#stand(position)
    else if (this.missing(position.epoch, position.offset) !== undefined && elsewhere(position)) this.#elsewhere.push(position)
  }

  /** A handler is called. */
  handed (message: Message): void {
    const { ref } = message.data as Payload
    const history = this.#history
    const publish = history.publishes[ref]
    history.note(`${this.process} is handed #${ref} of ${this.channel} at ${show(message.position)}`)
    if (publish === undefined || publish.channel !== this.channel) return history.found('never-published', `${this.process} is handed #${ref}`)
    this.had.add(ref)
    if (message.position === null) return this.#handedVolatile(ref)
    const entry = history.log(this.channel, message.position.epoch).get(message.position.offset)
    if (entry?.ref !== ref) history.found('log-disagreement', `${this.process} is handed #${ref} of ${this.channel} at ${show(message.position)}, where #${entry?.ref} lies`)
    this.#follow(message.position, ref)
  }

  /** The handler is done with it, for good or after a failure that will not be tried again. */
  done (position: Position): void {
    this.unsettled.delete(position.offset)
    this.settled = position
    this.#settledIn.set(position.epoch, position.offset)
  }

  /** The handler threw: the same message may come again. */
  failed (position: Position): void {
    this.#retry = show(position)
  }

  /** The application is told of a gap. */
  gap (gap: Gap): void {
    const { position } = gap
    const history = this.#history
    history.note(`${this.process} is told of a gap in ${this.channel}: ${gap.reason} ${gap.from}…${gap.to}, on from ${show(position)}`)
    if (gap.from !== null && gap.to !== null) this.#gaps.push({ epoch: position.epoch, from: gap.from, to: gap.to })
    else this.#begins.set(position.epoch, position.offset)
    const back = gap.reason === 'unverified' && this.stand?.epoch === position.epoch && position.offset < this.stand.offset
    if (back) this.#stand(position)
    if (this.stand === null) this.begins(position)
  }

  /** Whether it stands in an epoch, or was told of it. */
  knows (epoch: string): boolean {
    return this.stand?.epoch === epoch || this.#begins.has(epoch)
  }

  /** What of `… offset` the application should have had and has not. */
  missing (epoch: string, offset: number): number | undefined {
    return this.#due(this.stand, epoch, offset)
  }

  /** What of `… offset` no handler has settled. */
  unhandled (epoch: string, offset: number): number | undefined {
    const past = this.#settledIn.get(epoch)
    return this.#due(past === undefined ? this.settled : { epoch, offset: past }, epoch, offset)
  }

  #due (stand: Position | null, epoch: string, offset: number): number | undefined {
    let from = stand?.epoch === epoch ? stand.offset : this.#begins.get(epoch)
    if (from === undefined) return offset
    for (const position of this.#elsewhere) {
      if (position.epoch === epoch) from = Math.max(from, position.offset)
    }
    for (let at = from + 1; at <= offset; at++) {
      if (!this.#history.isHole(this.channel, epoch, at) && !this.#gaps.some((gap) => gap.epoch === epoch && gap.from <= at && at <= gap.to)) return at
    }
    return undefined
  }

  #stand (position: Position): void {
    this.stand = this.settled = position
    this.#settledIn.set(position.epoch, position.offset)
  }

  #handedVolatile (ref: number): void {
    if (this.#volatile.has(ref)) this.#history.found('repeat', `${this.process} is handed #${ref} (QoS 0) again`)
    this.#volatile.add(ref)
  }

  #follow (position: Position, ref: number): void {
    const { stand } = this
    const what = `${this.process} is handed #${ref} of ${this.channel} at ${show(position)}, and stood at ${show(stand)}`
    if (stand === null) {
      this.#history.found('hole', `${what}: it was never told where it begins`)
    } else if (stand.epoch === position.epoch && position.offset <= stand.offset) {
      const again = position.offset === stand.offset && this.#retry === show(position)
      if (!again) this.#history.found(position.offset === stand.offset ? 'repeat' : 'disorder', what)
    } else if (this.qos > 0) {
      if (stand.epoch !== position.epoch && !this.#begins.has(position.epoch)) this.#history.found('silent-epoch', what)
      else if (this.missing(position.epoch, position.offset - 1) !== undefined) this.#history.found('hole', what)
    }
    if (this.saved?.epoch === position.epoch && position.offset <= this.saved.offset) this.#history.found('repeat-after-save', `${what}; its store says ${show(this.saved)}`)
    this.#retry = null
    this.stand = position
    this.unsettled.add(position.offset)
  }
}
