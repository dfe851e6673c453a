import type { Gap, Position } from '../../types/message.js'
import type { ViolationKind } from './checker.js'
import { keyOf, type Event, type Numbered } from './history.js'

/** What a reader has to know of all the rest. */
export interface ReaderContext {
  /** Whether the store keeps whatever it has acknowledged: then a new epoch always continues the one before. */
  readonly durable: boolean
  /** Of its subscription. */
  readonly qos: 1 | 2
  readonly found: (kind: ViolationKind, text: string) => void
  readonly qosOf: (message: Numbered) => 1 | 2
  readonly mayHaveCopies: (message: Numbered) => boolean
  /** Whether a copy may come after what was published later. */
  readonly mayBeLate: (message: Numbered) => boolean
}

/** Where a message lies, or lay. */
export interface Place extends Position {
  /** Whether it lies there at the end. */
  readonly kept: boolean
}

/** Told of a loss of unknown size, it left one log for another, or went back in it. */
interface Jump {
  readonly from: Position | null
  /** Where it had stood in other logs when it was killed, before that was saved. */
  readonly left: readonly Position[]
  readonly to: Position
  /** When, counted in events. */
  readonly at: number
}

/** One subscriber's way through one channel. */
export class Reader {
  readonly name: string
  readonly channel: string
  readonly #context: ReaderContext
  /** Where it was handed a message last, or was told that it stands. */
  #stand: Position | null = null
  /** Where it stood in other logs when it was killed, before that was saved: of what has become of those it hears with the next jump. */
  #left: Position[] = []
  /** Since a reconnect or a kill, and until the next message: beyond which offset it may begin again, by QoS. */
  #explained: Record<1 | 2, number> = { 1: Infinity, 2: Infinity }
  readonly #had = new Set<string>()
  /** What it must not have again at QoS 2, and in which epoch it had it. */
  readonly #once = new Map<string, string>()
  /** All that it was handed, and where it was told to stand, in order. */
  readonly #trail: Array<{ readonly key: string | null, readonly position: Position }> = []
  readonly #offsets = new Set<string>()
  readonly #epochs = new Set<string>()
  readonly #gaps: Array<{ readonly epoch: string, readonly from: number, readonly to: number }> = []
  readonly #jumps: Jump[] = []
  /** How often it may be told of a loss of unknown size. */
  #alarms = 0
  /** The last number of each publisher. */
  readonly #numbers = new Map<string, number>()

  constructor (subscriber: string, channel: string, context: ReaderContext) {
    this.name = subscriber
    this.channel = channel
    this.#context = context
  }

  /** `at`: the how manyth event of all it is. */
  take (event: Event, at: number): void {
    switch (event.type) {
      case 'connected':
        this.#explained[1] = 0
        break
      case 'subscriber-killed':
        this.#killed(event.saved[this.channel] ?? null)
        break
      case 'store-restarted':
        this.#alarms++
        break
      case 'gap':
        if (event.channel === this.channel) this.#told(event, at)
        break
      case 'handed':
        if (event.channel === this.channel) this.#handed(event, event.position)
    }
  }

  had (key: string): boolean {
    return this.#had.has(key)
  }

  /** Whether it had the message, or was told that it would not have it. `invoked`: when it was published. */
  accountsFor (key: string, places: readonly Place[], invoked: number): boolean {
    if (this.#had.has(key)) return true
    const { durable } = this.#context
    // Where it was stored nobody may have been told: then any gap may have swallowed it.
    if (places.length === 0) return this.#gaps.length > 0 || (!durable && this.#jumps.some(({ at }) => at > invoked))
    return places.every((place) => this.#isInGap(place) || (!durable && !place.kept && this.#jumps.some((jump) => this.#covers(jump, place, invoked))))
  }

  #isInGap ({ epoch, offset }: Position): boolean {
    return this.#gaps.some((gap) => (this.#context.durable || gap.epoch === epoch) && gap.from <= offset && offset <= gap.to)
  }

  #covers ({ from, left, to, at }: Jump, { epoch, offset }: Position, invoked: number): boolean {
    const stood = from === null ? left : [from, ...left]
    if (to.epoch !== epoch && stood.some((position) => position.epoch === epoch && offset > position.offset)) return true
    if (to.epoch === epoch && offset <= to.offset) return true
    return !this.#epochs.has(epoch) && at > invoked
  }

  #killed (saved: Position | null): void {
    this.#alarms++ // the next process may be told again
    const offset = saved?.offset ?? 0
    this.#explained = { 1: Math.min(this.#explained[1], offset), 2: Math.min(this.#explained[2], offset) }
    if (saved !== null && this.#stand !== null && saved.epoch !== this.#stand.epoch) {
      this.#left.push(this.#stand)
      this.#stand = saved
    }
    const last = this.#trail.findLastIndex(({ position }) => position.epoch === saved?.epoch && position.offset === saved.offset)
    for (const { key } of this.#trail.slice(last + 1)) if (key !== null) this.#once.delete(key)
  }

  #told ({ reason, from, to, position }: Gap, at: number): void {
    const { durable, found } = this.#context
    if (from !== null && to !== null) {
      this.#gaps.push({ epoch: position.epoch, from, to })
      return
    }
    const goesBack = position.offset < Math.min(this.#stand?.offset ?? 0, this.#explained[2])
    this.#jumps.push({ from: this.#stand, left: this.#left, to: position, at })
    this.#left = []
    if (durable && (reason === 'epoch' || goesBack || this.#jumps.length > this.#alarms)) {
      found('false-alarm', `${this.name} in ${this.channel} was told ${reason}, to stand at ${textOf(position)} after ${textOf(this.#stand)}`)
    }
    this.#trail.push({ key: null, position })
    this.#epochs.add(position.epoch)
    if (!durable) this.#forgive(reason === 'epoch' ? 0 : position.offset)
    this.#stand = position
  }

  // What the store has lost after it was handed over may be stored again, and handed over again.
  #forgive (after: number): void {
    for (const { key, position } of this.#trail) if (key !== null && position.offset > after) this.#once.delete(key)
  }

  #handed (message: Numbered, position: Position): void {
    const { found, qosOf } = this.#context
    const { epoch, offset } = position
    const key = keyOf(message)
    const text = `${this.name} was handed ${key} at ${textOf(position)} after ${textOf(this.#stand)}`
    const qos = Math.min(this.#context.qos, qosOf(message)) as 1 | 2
    this.#epochs.add(epoch)
    if (this.#stand !== null && this.#stand.epoch !== epoch) {
      found('silent-reset', text)
      this.#stand = { epoch, offset: offset - 1 }
    }
    const stand = this.#stand?.offset ?? 0
    if (offset <= stand && offset <= this.#explained[qos]) {
      const repeat = qos === 2 ? 'duplicate' : 'repeat'
      found(this.#offsets.has(textOf(position)) ? repeat : 'channel-order', text)
      this.#stand ??= position
    } else {
      if (!this.#isTold(epoch, stand + 1, offset - 1)) found('hole', text)
      this.#stand = position // may go back: from here it is all handed again
      if (qos === 2 && (this.#once.get(key) ?? epoch) !== epoch) found('duplicate', `${text}, and before in another epoch`)
    }
    this.#explained = { 1: Infinity, 2: Infinity }
    this.#checkNumber(message, key, text)
    this.#offsets.add(textOf(position))
    this.#trail.push({ key, position })
    this.#once.set(key, epoch)
    this.#had.add(key)
  }

  // Of each publisher the first copies come in the order of its calls.
  #checkNumber (message: Numbered, key: string, text: string): void {
    if (this.#had.has(key)) return
    const { durable, mayHaveCopies, mayBeLate } = this.#context
    const { publisher, number } = message
    const last = this.#numbers.get(publisher) ?? 0
    // At QoS 1 a gap may have swallowed the first copy, and this is another one.
    const isCopy = this.#gaps.length > 0 && mayHaveCopies(message)
    const isExplained = isCopy || mayBeLate(message) || (!durable && this.#jumps.length > 0)
    if (number < last && !isExplained) this.#context.found('publisher-order', `${text}, and had #${last}`)
    this.#numbers.set(publisher, Math.max(last, number))
  }

  #isTold (epoch: string, from: number, to: number): boolean {
    let next = from
    for (const gap of this.#gaps) {
      if (gap.epoch === epoch && gap.from <= next && next <= gap.to) next = gap.to + 1
    }
    return next > to
  }
}

const textOf = (position: Position | null): string => position === null ? 'nothing' : `${position.epoch}:${position.offset}`
