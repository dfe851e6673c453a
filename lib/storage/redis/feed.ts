import type { Feed, FeedListener, LogStore } from '../../../types/storage.js'
import type { Lifecycle } from '../lifecycle.js'
import { Teller } from '../teller.js'
import { decodeAnnouncement, encodeVolatile } from './announcement.js'
import type { Keys } from './keys.js'
import { BROADCAST } from './lua/feed.js'
import type { Operations } from './operations.js'
import type { Hearing } from './subscriber.js'

/** Heads that are compared at once. */
const AT_ONCE = 500

export interface FeedParts {
  readonly lifecycle: Lifecycle
  readonly keys: Keys
  readonly operations: Operations
  readonly subscriber: Hearing
  readonly log: LogStore
  readonly announce: string
  readonly onError: (error: unknown) => void
}

interface Joined {
  readonly channel: string
  readonly listeners: Set<{ readonly listener: FeedListener }>
  /** That Redis has confirmed. */
  readonly subscribed: Promise<void>
  /** The log and the next offset, as last heard; `null` before. */
  heard: { epoch: string, next: number } | null
}

/** The feed: what scripts publish. A node hears of a channel only while somebody on it listens. */
export class RedisFeed implements Feed {
  readonly #parts: FeedParts
  /** By what Redis calls them. */
  readonly #joined = new Map<string, Joined>()
  readonly #teller: Teller
  #isComparing = false

  constructor (parts: FeedParts) {
    this.#parts = parts
    this.#teller = new Teller(parts.onError)
  }

  async join (channel: string, listener: FeedListener): Promise<() => Promise<void>> {
    this.#parts.lifecycle.assertOpen()
    const { feed } = this.#parts.keys.channel(channel)
    const entry = { listener } // its own object: the same listener may join twice
    let joined = this.#joined.get(feed)
    if (joined === undefined) {
      joined = { channel, listeners: new Set(), subscribed: this.#parts.subscriber.add(feed), heard: null }
      this.#joined.set(feed, joined)
    }
    const { listeners, subscribed } = joined
    listeners.add(entry)
    const leave = async (): Promise<void> => {
      if (!listeners.delete(entry) || listeners.size > 0 || this.#joined.get(feed)?.listeners !== listeners) return
      this.#joined.delete(feed)
      await this.#parts.subscriber.remove(feed)
    }
    try {
      await subscribed
    } catch (error) {
      listeners.delete(entry)
      if (this.#joined.get(feed) === joined) this.#joined.delete(feed)
      throw error
    }
    return leave
  }

  async broadcast (channel: string, bodies: readonly Uint8Array[]): Promise<void> {
    const { keys, operations, announce } = this.#parts
    const { feed, meta, tag } = keys.channel(channel)
    await operations.write(BROADCAST, { keys: [meta], args: [announce, feed, encodeVolatile(bodies)], tag })
  }

  /** Something was announced. Never throws. */
  heard (name: string, message: Buffer): void {
    const joined = this.#joined.get(name)
    if (joined === undefined) return
    try {
      const announced = decodeAnnouncement(message)
      if (announced.kind === 'volatile') {
        this.#tell(joined, (listener) => listener.volatile(announced.bodies))
      } else {
        const { epoch, from, records } = announced
        joined.heard = { epoch, next: from + records.length }
        this.#tell(joined, (listener) => listener.records({ epoch, from, records }))
      }
    } catch (error) {
      this.#parts.onError(error) // not of our making
    }
  }

  /** Announcements under these names may have been lost. */
  interrupted (names: readonly string[]): void {
    for (const name of names) {
      const joined = this.#joined.get(name)
      if (joined !== undefined) this.#interrupt(joined)
    }
  }

  /** Compares what was heard with the logs, unless that is under way. Keeps alive what is known of them, too. What could not be compared is compared the next time. Never rejects. */
  async compare (): Promise<void> {
    if (this.#isComparing) return
    this.#isComparing = true
    const all = [...this.#joined.values()]
    for (let i = 0; i < all.length; i += AT_ONCE) {
      await Promise.allSettled(all.slice(i, i + AT_ONCE).map((joined) => this.#compare(joined)))
    }
    this.#isComparing = false
  }

  async #compare (joined: Joined): Promise<void> {
    const before = joined.heard
    const { epoch, head } = await this.#parts.log.read(joined.channel, { from: 1, limit: 0, bytes: 0 })
    if (joined.heard !== before || (before?.epoch === epoch && before.next > head)) return // or it was heard of meanwhile
    joined.heard = { epoch, next: head + 1 }
    this.#interrupt(joined)
  }

  #interrupt (joined: Joined): void {
    this.#tell(joined, (listener) => listener.interrupted())
  }

  #tell ({ listeners }: Joined, tell: (listener: FeedListener) => void): void {
    this.#teller.tell(listeners, ({ listener }) => tell(listener))
  }
}
