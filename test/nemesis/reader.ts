import type { ViolationKind } from './checker.js'
import { keyOf, type Event, type Numbered } from './history.js'

/** One subscriber's way through one channel. */
export class Reader {
  readonly name: string
  readonly channel: string
  readonly found: (kind: ViolationKind, text: string) => void
  readonly qosOf: (message: Numbered) => 1 | 2
  readonly mayHaveCopies: (message: Numbered) => boolean
  /** The offset it was handed last. */
  #stand = 0
  /** Since a reconnect or a kill, and until the next message: beyond which offset it may begin again, by QoS. */
  #explained: Record<1 | 2, number> = { 1: Infinity, 2: Infinity }
  readonly #had = new Set<string>()
  readonly #offsets = new Set<number>()
  readonly #gaps: Array<{ readonly from: number, readonly to: number }> = []
  /** The last number of each publisher. */
  readonly #numbers = new Map<string, number>()

  constructor (subscriber: string, channel: string, { found, qosOf, mayHaveCopies }: Pick<Reader, 'found' | 'qosOf' | 'mayHaveCopies'>) {
    this.name = subscriber
    this.channel = channel
    this.found = found
    this.qosOf = qosOf
    this.mayHaveCopies = mayHaveCopies
  }

  take (event: Event): void {
    switch (event.type) {
      case 'connected':
        this.#explained[1] = 0
        break
      case 'subscriber-killed': {
        const saved = event.saved[this.channel] ?? 0
        this.#explained = { 1: Math.min(this.#explained[1], saved), 2: Math.min(this.#explained[2], saved) }
        break
      }
      case 'gap':
        if (event.channel === this.channel) this.#gaps.push(event)
        break
      case 'handed':
        if (event.channel === this.channel) this.#handed(event, event.position.offset)
    }
  }

  /** Whether it had the message, or was told that it would not have it. */
  accountsFor (key: string, offsets: ReadonlySet<number>): boolean {
    if (this.#had.has(key)) return true
    // Where it was stored nobody may have been told: then any gap may have swallowed it.
    return this.#gaps.some(({ from, to }) => offsets.size === 0 || [...offsets].some((offset) => from <= offset && offset <= to))
  }

  #handed (message: Numbered, offset: number): void {
    const key = keyOf(message)
    const text = `${this.name} was handed ${key} at ${offset} after ${this.#stand}`
    const qos = this.qosOf(message)
    if (offset <= this.#stand && offset <= this.#explained[qos]) {
      const repeat = qos === 2 ? 'duplicate' : 'repeat'
      this.found(this.#offsets.has(offset) ? repeat : 'channel-order', text)
    } else {
      if (!this.#isTold(this.#stand + 1, offset - 1)) this.found('hole', text)
      this.#stand = offset // may go back: from here it is all handed again
    }
    this.#explained = { 1: Infinity, 2: Infinity }
    this.#checkNumber(message, key, text)
    this.#offsets.add(offset)
    this.#had.add(key)
  }

  // Of each publisher the first copies come in the order of its calls.
  #checkNumber (message: Numbered, key: string, text: string): void {
    if (this.#had.has(key)) return
    const { publisher, number } = message
    const last = this.#numbers.get(publisher) ?? 0
    // At QoS 1 a gap may have swallowed the first copy, and this is another one.
    const isExplained = this.#gaps.length > 0 && this.mayHaveCopies(message)
    if (number < last && !isExplained) this.found('publisher-order', `${text}, and had #${last}`)
    this.#numbers.set(publisher, Math.max(last, number))
  }

  #isTold (from: number, to: number): boolean {
    let next = from
    for (const gap of this.#gaps) {
      if (gap.from <= next && next <= gap.to) next = gap.to + 1
    }
    return next > to
  }
}
