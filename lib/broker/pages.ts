import type { LogStore, Page } from '../../types/storage.js'
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

/** Pages of one channel that are looked at for the place somebody asks for. */
const LOOKED_AT = 8

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
  /** Whether the reader has heard that there is another one. */
  readonly stale: boolean
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
  // In the order in which they were kept.
  readonly #kept = new Map<string, Kept>()
  /** The last few that were read, by log. */
  readonly #recent = new Map<string, Kept[]>()
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
    const { channel, epoch, stale, from, limit } = query
    const log = `${channel}\n${epoch}\n${stale ? 1 : 0}`
    const key = `${log}\n${from}\n${limit}`
    const found = this.#kept.get(key)
    if (found !== undefined && this.#isYoung(found)) return found.page
    const same = this.#same(log, query)
    if (same !== undefined) return await same
    // What is on its way may hold this place too.
    const around = this.#pending.get(log)?.find((read) => read.from <= from && from < read.from + read.limit)
    if (around !== undefined) await around.page
    return this.#part(key, log, query) ?? await (this.#same(log, query) ?? this.#ask(key, log, query))
  }

  #same (log: string, { from, limit }: PageQuery): Promise<SharedPage> | undefined {
    return this.#pending.get(log)?.find((read) => read.from === from && read.limit === limit)?.page
  }

  // A part of what was just read from another place.
  #part (key: string, log: string, { wire, epoch, from, limit }: PageQuery): SharedPage | undefined {
    const isThere = (kept: Kept): boolean => {
      const { page } = kept.page
      return page.epoch === epoch && page.from <= from && from < page.from + page.records.length && this.#isYoung(kept)
    }
    const whole = this.#recent.get(log)?.find(isThere)
    if (whole === undefined) return undefined
    const { page } = whole.page
    const start = from - page.from
    const part = new SharedPage(wire, { ...page, from, records: page.records.slice(start, start + limit) })
    this.#keep(key, { at: whole.at, page: part, bytes: part.bytes, log })
    return part
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
    const kept = { at: this.#clock.now(), page, bytes: page.bytes, log }
    this.#recent.set(log, [...this.#recent.get(log) ?? [], kept].slice(-LOOKED_AT))
    this.#keep(key, kept)
    return page
  }

  #isYoung ({ at }: Kept): boolean {
    return this.#clock.now() - at < LIFE
  }

  #keep (key: string, kept: Kept): void {
    this.#forget(key)
    this.#kept.set(key, kept)
    this.#bytes += kept.bytes
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= KEPT_BYTES) break
      this.#forget(oldest)
    }
    this.#sweepLater()
  }

  #forget (key: string): void {
    const kept = this.#kept.get(key)
    if (kept === undefined) return
    this.#bytes -= kept.bytes
    this.#kept.delete(key)
    const recent = this.#recent.get(kept.log)?.filter((each) => each !== kept) ?? []
    if (recent.length === 0) this.#recent.delete(kept.log)
    else this.#recent.set(kept.log, recent)
  }

  #sweepLater (): void {
    if (this.#sweeping) return
    this.#sweeping = true
    this.#clock.after(LIFE, () => {
      this.#sweeping = false
      for (const [key, kept] of this.#kept) {
        if (this.#isYoung(kept)) break
        this.#forget(key)
      }
      if (this.#kept.size > 0) this.#sweepLater()
    })
  }
}
