import type { LogStore, Page } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import { messagesFrame, skipFrame } from './encoding.js'
import { segments } from './segments.js'
import { SharedFrame } from './shared-frame.js'

/** Most bytes of bodies read at once. */
const PAGE_BYTES = 256 * 1024

/** How long a page is good for others, in milliseconds: its records never change, but those with a `ttl` of their own run out. */
const LIFE = 500

/** Bytes of bodies that are kept for others at the most. */
const KEPT_BYTES = 16 * 1024 * 1024

/** Where a reader is. */
export interface PageQuery {
  readonly channel: string
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
}

/** A page of the log and its frames, encoded once for all who read it. */
export class SharedPage {
  readonly page: Page
  readonly #channel: string
  #portions: { readonly rewound: number, readonly portions: readonly Portion[] } | undefined

  constructor (channel: string, page: Page) {
    this.#channel = channel
    this.page = page
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
      ? { frame: new SharedFrame(skipFrame(this.#channel, epoch, from, to)), count: 0 }
      : { frame: new SharedFrame(messagesFrame(this.#channel, epoch, from, bodies)), count: bodies.length })
  }
}

interface Kept {
  readonly at: number
  readonly page: Promise<SharedPage>
  bytes: number
}

/** Reads of the log by those who are behind. A thousand who stand in the same place make one read and one encoding. */
export class Pages {
  readonly #log: LogStore
  readonly #clock: Clock
  // In the order of their age.
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  #sweeping = false

  constructor (log: LogStore, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /** Bytes of bodies that are kept for others now. */
  get bytes (): number {
    return this.#bytes
  }

  /** Reads on from a place. Rejects as the log does. */
  read (query: PageQuery): Promise<SharedPage> {
    const { channel, epoch, stale, from, limit } = query
    const key = `${channel}\n${epoch}\n${stale ? 1 : 0}\n${from}\n${limit}`
    const found = this.#kept.get(key)
    const now = this.#clock.now()
    if (found !== undefined && now - found.at < LIFE) return found.page
    this.#forget(key)
    const kept: Kept = { at: now, page: this.#read(channel, from, limit), bytes: 0 }
    this.#kept.set(key, kept)
    this.#sweepLater()
    const still = () => this.#kept.get(key) === kept
    kept.page.then(({ page }) => { if (still()) this.#keep(key, kept, page) }, () => { if (still()) this.#forget(key) })
    return kept.page
  }

  #keep (key: string, kept: Kept, { records }: Page): void {
    if (records.length === 0) return this.#forget(key) // the next read may find some
    for (const { body } of records) kept.bytes += body?.byteLength ?? 0
    this.#bytes += kept.bytes
    this.#makeRoom()
  }

  async #read (channel: string, from: number, limit: number): Promise<SharedPage> {
    return new SharedPage(channel, await this.#log.read(channel, { from, limit, bytes: PAGE_BYTES }))
  }

  #makeRoom (): void {
    for (const key of this.#kept.keys()) {
      if (this.#bytes <= KEPT_BYTES) return
      this.#forget(key)
    }
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
