import type { LogStore, Page, StoredRecord } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import { messagesFrame, skipFrame } from './encoding.js'
import { segments } from './segments.js'
import { SharedFrame } from './shared-frame.js'

/** Most bytes of bodies read at once. */
const PAGE_BYTES = 256 * 1024

/** How long a page is good for others once it came, in milliseconds: its records never change, but those with a `ttl` of their own run out. */
const LIFE = 500

/** Bytes that are kept for others at the most, about. */
const KEPT_BYTES = 16 * 1024 * 1024

/** Offsets by which it is found which pages hold a place. */
const BLOCK = 128

/** Bytes of a record that are not its body, about. */
const RECORD_BYTES = 128

/** Where a reader is. */
export interface PageQuery {
  /** Its name in the storage. */
  readonly channel: string
  /** Its name in frames. */
  readonly wire: string
  /** The epoch the reader is in. */
  readonly epoch: string
  /** Of which other one the reader has heard: it wants no page that was asked for before it had. */
  readonly other: string | null
  readonly from: number
  /** Records at the most. */
  readonly limit: number
}

/** What goes out for a part of a page: `count` messages, or a hole on purpose. */
export interface Portion {
  readonly frame: SharedFrame
  readonly count: number
  /** The first and the last offset. */
  readonly from: number
  readonly to: number
}

/** A page of the log and its frames, encoded once for all who read it. */
export class SharedPage {
  readonly page: Page
  readonly #wire: string
  #portions: { readonly rewound: number, readonly portions: readonly Portion[] } | undefined

  constructor (wire: string, page: Page) {
    this.#wire = wire
    this.page = page
  }

  /** What it holds on to, about: records, and the frames that repeat their bodies. */
  get bytes (): number {
    let bytes = 0
    for (const { body } of this.page.records) bytes += RECORD_BYTES + 2 * (body?.byteLength ?? 0)
    return bytes
  }

  /** The same of a part, whose records are those of another page: its frames alone. */
  get ownBytes (): number {
    let bytes = RECORD_BYTES
    for (const { body } of this.page.records) bytes += body?.byteLength ?? 0
    return bytes
  }

  /** Its frames, in order. `rewound`: up to there QoS 0 records are sent too. */
  portions (rewound: number): readonly Portion[] {
    // Beyond the page's ends all are alike.
    const { from, records } = this.page
    const cut = Math.min(Math.max(rewound, from - 1), from + records.length - 1)
    if (this.#portions?.rewound !== cut) this.#portions = { rewound: cut, portions: this.#encode(cut) }
    return this.#portions.portions
  }

  #encode (rewound: number): Portion[] {
    const { epoch, from, records } = this.page
    return segments(from, records, rewound).map(({ from, to, bodies }) => bodies === null
      ? { frame: new SharedFrame(skipFrame(this.#wire, epoch, from, to)), count: 0, from, to }
      : { frame: new SharedFrame(messagesFrame(this.#wire, epoch, from, bodies)), count: bodies.length, from, to })
  }
}

interface Kept {
  readonly at: number
  readonly page: SharedPage
  readonly bytes: number
  /** Of the epoch of one channel. */
  readonly log: string
}

/** A read that is under way. */
interface Pending {
  readonly from: number
  readonly limit: number
  readonly page: Promise<SharedPage>
}

/**
 * Reads of the log by those who are behind. A thousand who stand in the same place make one read and one encoding; who stands elsewhere in what was just read
 * makes no read either.
 */
export class Pages {
  readonly #log: LogStore
  readonly #clock: Clock
  /** What is being read, by log. */
  readonly #pending = new Map<string, Pending[]>()
  // Each in the order in which they were kept.
  readonly #wholes = new Map<string, Kept>()
  readonly #parts = new Map<string, Kept>()
  /** The keys of the wholes that reach into a block, by log and block. */
  readonly #blocks = new Map<string, Set<string>>()
  /** The key of what was announced last, by log. */
  readonly #announced = new Map<string, string>()
  #bytes = 0
  #sweeping = false

  constructor (log: LogStore, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /** Bytes that are kept for others now, about. */
  get bytes (): number {
    return this.#bytes
  }

  /** Reads on from a place. Rejects as the log does. */
  async read (query: PageQuery): Promise<SharedPage> {
    const { channel, epoch, other, from, limit } = query
    const log = nameOf(channel, epoch, other)
    const key = `${log}\n${from}\n${limit}`
    // How far a read goes: less far than it wants to where records are large.
    let reach = Infinity
    for (;;) {
      const found = this.#find(key, log, query)
      if (found !== undefined) return await found
      // What is on its way may hold this place too.
      const around = this.#pending.get(log)?.find((read) => read.from <= from && from < read.from + Math.min(read.limit, reach))
      if (around === undefined) return await this.#ask(key, log, query)
      const { page } = await around.page
      const isShort = page.epoch === epoch && page.from <= from && page.records.length > 0
      reach = isShort ? page.records.length : 0
    }
  }

  /** Keeps what was announced for those who could not take it at once, for as long as a page: their windows were full, say. */
  keep (channel: string, wire: string, epoch: string, from: number, records: readonly StoredRecord[]): void {
    const log = nameOf(channel, epoch, null)
    // What came one by one is read together.
    const last = this.#announced.get(log) ?? ''
    const before = this.#before(last, from, records.length)
    if (before !== null) this.#forget(last)
    const start = before?.page.page.from ?? from
    const all = before === null ? records : [...before.page.page.records, ...records]
    const page = new SharedPage(wire, { epoch, head: from + records.length - 1, first: start, from: start, records: all })
    const key = `${log}\n${start}\n${all.length}`
    this.#keep(this.#wholes, key, { at: before?.at ?? this.#clock.now(), page, bytes: page.bytes, log })
    this.#announced.set(log, key)
  }

  // What so many records follow on, if that may have them.
  #before (key: string, from: number, more: number): Kept | null {
    const kept = this.#wholes.get(key)
    if (kept === undefined || !this.#isYoung(kept)) return null
    const { page } = kept.page
    return page.from + page.records.length === from && page.records.length + more <= BLOCK ? kept : null
  }

  // What is there or on its way, or a part of what was just read from another place.
  #find (key: string, log: string, query: PageQuery): SharedPage | Promise<SharedPage> | undefined {
    const kept = this.#wholes.get(key) ?? this.#parts.get(key)
    if (kept !== undefined && this.#isYoung(kept)) return kept.page
    const { from, limit } = query
    return this.#pending.get(log)?.find((read) => read.from === from && read.limit === limit)?.page ?? this.#part(key, log, query)
  }

  #part (key: string, log: string, { wire, epoch, from, limit }: PageQuery): SharedPage | undefined {
    for (const name of this.#blocks.get(blockOf(log, from)) ?? []) {
      const whole = this.#wholes.get(name) as Kept
      const { page } = whole.page
      if (page.epoch !== epoch || page.from > from || from >= page.from + page.records.length || !this.#isYoung(whole)) continue
      const start = from - page.from
      const part = new SharedPage(wire, { ...page, from, records: page.records.slice(start, start + limit) })
      this.#keep(this.#parts, key, { at: whole.at, page: part, bytes: part.ownBytes, log })
      return part
    }
    return undefined
  }

  #ask (key: string, log: string, query: PageQuery): Promise<SharedPage> {
    const { from, limit } = query
    const pending = { from, limit, page: this.#read(key, log, query).finally(() => this.#done(log, pending)) }
    this.#pending.set(log, [...this.#pending.get(log) ?? [], pending])
    return pending.page
  }

  #done (log: string, pending: Pending): void {
    const left = this.#pending.get(log)?.filter((each) => each !== pending) ?? []
    if (left.length === 0) this.#pending.delete(log)
    else this.#pending.set(log, left)
  }

  async #read (key: string, log: string, { channel, wire, from, limit }: PageQuery): Promise<SharedPage> {
    const page = new SharedPage(wire, await this.#log.read(channel, { from, limit, bytes: PAGE_BYTES }))
    if (page.page.records.length === 0) return page // the next read may find some
    this.#keep(this.#wholes, key, { at: this.#clock.now(), page, bytes: page.bytes, log })
    return page
  }

  #isYoung ({ at }: Kept): boolean {
    return this.#clock.now() - at < LIFE
  }

  #keep (among: Map<string, Kept>, key: string, kept: Kept): void {
    this.#forget(key)
    among.set(key, kept)
    this.#bytes += kept.bytes
    if (among === this.#wholes) {
      for (const block of blocksOf(kept)) this.#blocks.set(block, (this.#blocks.get(block) ?? new Set()).add(key))
    }
    // Parts go first: what they were made of may serve others yet.
    this.#shrink(this.#parts)
    this.#shrink(this.#wholes)
    this.#sweepLater()
  }

  #shrink (among: ReadonlyMap<string, Kept>): void {
    for (const oldest of among.keys()) {
      if (this.#bytes <= KEPT_BYTES) return
      this.#forget(oldest)
    }
  }

  #forget (key: string): void {
    const [part, whole] = [this.#parts.get(key), this.#wholes.get(key)]
    this.#bytes -= (part?.bytes ?? 0) + (whole?.bytes ?? 0)
    this.#parts.delete(key)
    if (whole === undefined) return
    this.#wholes.delete(key)
    if (this.#announced.get(whole.log) === key) this.#announced.delete(whole.log)
    for (const block of blocksOf(whole)) {
      const keys = this.#blocks.get(block)
      keys?.delete(key)
      if (keys?.size === 0) this.#blocks.delete(block)
    }
  }

  #sweepLater (): void {
    if (this.#sweeping) return
    this.#sweeping = true
    this.#clock.after(LIFE, () => {
      this.#sweeping = false
      for (const among of [this.#parts, this.#wholes]) {
        for (const [key, kept] of among) if (!this.#isYoung(kept)) this.#forget(key)
      }
      if (this.#bytes > 0) this.#sweepLater()
    })
  }
}

const nameOf = (channel: string, epoch: string, other: string | null): string => `${channel}\n${epoch}\n${other ?? ''}`

const blockOf = (log: string, offset: number): string => `${log}\n${Math.floor(offset / BLOCK)}`

function * blocksOf ({ log, page: { page: { from, records } } }: Kept): Iterable<string> {
  const end = from + records.length
  for (let at = from - from % BLOCK; at < end; at += BLOCK) yield blockOf(log, at)
}
