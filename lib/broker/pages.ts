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
}

/** Reads of the log by those who are behind. A thousand who stand in the same place make one read and one encoding. */
export class Pages {
  readonly #log: LogStore
  readonly #clock: Clock
  readonly #pending = new Map<string, Promise<SharedPage>>()
  // In the order of their age.
  readonly #kept = new Map<string, Kept>()
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
    const key = `${channel}\n${epoch}\n${stale ? 1 : 0}\n${from}\n${limit}`
    const found = this.#kept.get(key)
    if (found !== undefined && this.#clock.now() - found.at < LIFE) return found.page
    return this.#pending.get(key) ?? this.#ask(key, query)
  }

  #ask (key: string, query: PageQuery): Promise<SharedPage> {
    const page = this.#read(key, query).finally(() => this.#pending.delete(key))
    this.#pending.set(key, page)
    return page
  }

  async #read (key: string, { channel, wire, from, limit }: PageQuery): Promise<SharedPage> {
    const page = new SharedPage(wire, await this.#log.read(channel, { from, limit, bytes: PAGE_BYTES }))
    if (page.page.records.length > 0) this.#keep(key, page) // else the next read may find some
    return page
  }

  #keep (key: string, page: SharedPage): void {
    this.#forget(key)
    this.#kept.set(key, { at: this.#clock.now(), page, bytes: page.bytes })
    this.#bytes += page.bytes
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= KEPT_BYTES) break
      this.#forget(oldest)
    }
    this.#sweepLater()
  }

  #forget (key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0
    this.#kept.delete(key)
  }

  #sweepLater (): void {
    if (this.#sweeping) return
    this.#sweeping = true
    this.#clock.after(LIFE, () => {
      this.#sweeping = false
      const now = this.#clock.now()
      for (const [key, { at }] of this.#kept) {
        if (now - at < LIFE) break
        this.#forget(key)
      }
      if (this.#kept.size > 0) this.#sweepLater()
    })
  }
}
