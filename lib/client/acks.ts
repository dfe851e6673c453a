import type { Position, QoS } from '../../types/message.js'
import type { Clock } from '../core/clock.js'
import { samePosition } from '../core/position.js'
import type { ChannelPosition, ConfirmedFrame, WelcomeFrame } from '../protocol/frames.js'
import { isThenable } from './emitter.js'
import { utf8Length } from './encoding.js'
import type { SavedState } from './saved-state.js'
import type { Wire } from './session.js'

/** Handled messages after which an acknowledgement does not wait any longer. */
const EACH = 64
/** The most positions that the protocol allows in one frame. */
const POSITIONS = 10_000
/** Bytes of a frame around its positions. */
const FRAME = utf8Length(JSON.stringify({ type: 'ack', positions: [] }))

export interface AcksOptions {
  readonly wire: Wire
  readonly clock: Clock
  /** Milliseconds. */
  readonly delay: number
  readonly saved: SavedState
  /** Something was sent or confirmed. */
  readonly onProgress: () => void
}

/** Acknowledges what was handled: cumulative, and many channels in one frame. [P-4.6] */
export class Acks {
  readonly #options: AcksOptions
  readonly #due = new Map<string, { position: Position, qos: QoS }>()
  readonly #unconfirmed = new Map<string, Position>()
  readonly #confirmed = new Map<string, Position>()
  #frameBytes = 65_536
  #handled = 0
  #saving = 0
  #releaseTimer: (() => void) | null = null

  constructor (options: AcksOptions) {
    this.#options = options
  }

  welcome ({ limits }: WelcomeFrame): void {
    this.#frameBytes = limits.frameBytes
  }

  /** A cursor begins at `position`: the next process goes on from there, even if nothing comes before. */
  begin (channel: string, position: Position, qos: QoS): void {
    if (qos > 0) this.#options.saved.handled(channel, position)
  }

  /** Everything up to `position` was handled. */
  note (channel: string, position: Position, qos: QoS): void {
    if (qos === 0) return
    this.#options.saved.handled(channel, position)
    this.#due.set(channel, { position, qos })
    if (++this.#handled >= EACH) this.flush()
    else this.#releaseTimer ??= this.#options.clock.after(this.#options.delay, () => this.flush())
  }

  /** Sends what is due. Without a link it stays due. At QoS 2 the position is saved first. */
  flush (): void {
    this.#releaseTimer?.()
    this.#releaseTimer = null
    this.#handled = 0
    if (!this.#options.wire.live || this.#due.size === 0) return
    const once: ChannelPosition[] = []
    const exactly: ChannelPosition[] = []
    for (const [channel, { position, qos }] of this.#due) {
      (qos === 2 ? exactly : once).push({ channel, ...position })
      const confirmed = this.#confirmed.get(channel)
      if (qos === 2 && (confirmed === undefined || !samePosition(confirmed, position))) this.#unconfirmed.set(channel, position)
    }
    this.#due.clear()
    this.#send(once)
    const saved = exactly.length > 0 ? this.#options.saved.save() : undefined
    if (!isThenable(saved)) return this.#send(exactly)
    this.#saving++
    saved.then(() => {
      this.#saving--
      this.#send(exactly)
    })
  }

  /** The server has stored cursors: [P-4.8]. */
  confirmed (frame: ConfirmedFrame): void {
    for (const { channel, epoch, offset } of frame.positions) {
      const waiting = this.#unconfirmed.get(channel)
      this.#confirmed.set(channel, { epoch, offset })
      if (waiting !== undefined && (waiting.epoch !== epoch || waiting.offset <= offset)) this.#unconfirmed.delete(channel)
    }
    this.#options.onProgress()
  }

  forget (channel: string): void {
    this.#due.delete(channel)
    this.#unconfirmed.delete(channel)
    this.#confirmed.delete(channel)
    this.#options.onProgress()
  }

  /** Whether nothing is due and nothing waits to be confirmed. */
  get settled (): boolean {
    return this.#due.size === 0 && this.#saving === 0 && this.#unconfirmed.size === 0
  }

  stop (): void {
    this.#releaseTimer?.()
    this.#releaseTimer = null
  }

  #send (positions: readonly ChannelPosition[]): void {
    if (positions.length === 0) return
    let batch: ChannelPosition[] = []
    let bytes = FRAME
    for (const position of positions) {
      const size = utf8Length(JSON.stringify(position)) + 1 // with its comma
      if (batch.length === POSITIONS || (batch.length > 0 && bytes + size > this.#frameBytes)) {
        this.#options.wire.send({ type: 'ack', positions: batch })
        batch = []
        bytes = FRAME
      }
      batch.push(position)
      bytes += size
    }
    this.#options.wire.send({ type: 'ack', positions: batch })
    this.#options.onProgress()
  }
}
