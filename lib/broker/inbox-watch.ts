import type { Position } from '../../types/message.js'
import type { InboxListener } from '../../types/options.js'
import type { CursorStore, LogStore } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import { compact } from '../core/compact.js'
import { PushError } from '../core/errors.js'
import { within } from '../core/hooks.js'
import { AtOnce } from './at-once.js'
import type { Channel } from './channels.js'
import type { Counters } from './counters.js'
import { decodeBody } from './encoding.js'
import { loadUserCursor } from './user-cursor.js'
import { Watchlist, type Watched } from './watchlist.js'

/** Messages that are looked at at once: a listener may well ask another service. */
const AT_ONCE = 100

/** Pause before a message is looked at again that could not be looked at, in milliseconds. */
const RETRY = 5000

export interface InboxWatchContext {
  readonly log: LogStore
  readonly cursors: CursorStore
  readonly clock: Clock
  readonly counters: Counters
  readonly notifyAfter: number
  readonly onWaiting: InboxListener | undefined
  readonly onExpired: InboxListener | undefined
  /** How long a listener may take, in milliseconds; then the next one has its turn. */
  readonly timeout: number
  readonly onError: (error: unknown) => void
}

/** Tells of messages that wait in an inbox for too long, or in vain. The node that sent a message watches it, in memory. */
export class InboxWatch {
  readonly #context: InboxWatchContext
  readonly #waiting: Watchlist | null
  readonly #expiring: Watchlist | null
  readonly #looks = new AtOnce(AT_ONCE)
  #warned = false

  constructor (context: InboxWatchContext) {
    this.#context = context
    this.#waiting = this.#listFor(context.onWaiting)
    this.#expiring = this.#listFor(context.onExpired)
  }

  /** Watches a message that was just stored. `ttl` in milliseconds, if it has one. */
  watch (inbox: Channel, position: Position, body: Uint8Array, ttl = Infinity): void {
    const { clock, notifyAfter } = this.#context
    const now = clock.now()
    const watched = { inbox, position, body: null }
    const isRoom = notifyAfter >= ttl || (this.#waiting?.add(now + notifyAfter, watched) ?? true)
    const isRoomToo = ttl === Infinity || (this.#expiring?.add(now + ttl, { ...watched, body: compact(body) }) ?? true)
    if (!isRoom || !isRoomToo) this.#passOver()
  }

  /** A client of the user has acknowledged. */
  acknowledged (inbox: string, position: Position): void {
    this.#waiting?.acknowledged(inbox, position)
    this.#expiring?.acknowledged(inbox, position)
  }

  /** Watches nothing any more. */
  close (): void {
    this.#waiting?.clear()
    this.#expiring?.clear()
    this.#looks.clear()
  }

  #listFor (tell: InboxListener | undefined): Watchlist | null {
    if (tell === undefined) return null
    const list = new Watchlist(this.#context.clock, (watched) => {
      this.#looks.run(() => this.#look(list, watched, tell)).catch(this.#context.onError)
    })
    return list
  }

  // It leaves the list once it was looked at, and not before: the storage may be away at that moment.
  async #look (list: Watchlist, watched: Watched, tell: InboxListener): Promise<void> {
    if (!list.has(watched)) return
    let body
    try {
      body = await this.#waitingBody(watched)
    } catch (error) {
      const isFirst = list.postpone(watched, this.#context.clock.now() + RETRY)
      if (isFirst) throw error // that the storage is away is said once
      return
    }
    try {
      if (body !== null) await this.#tell(watched, body, tell)
    } finally {
      list.delete(watched)
    }
  }

  // `null` where there is nothing to tell.
  async #waitingBody ({ inbox: { name }, position, body }: Watched): Promise<Uint8Array | null> {
    const cursor = await loadUserCursor(this.#context.cursors, name)
    if (cursor?.epoch === position.epoch && cursor.offset >= position.offset) return null
    return body ?? await this.#read(name, position)
  }

  async #tell ({ inbox: { wire, params }, position }: Watched, body: Uint8Array, tell: InboxListener): Promise<void> {
    const { clock, timeout } = this.#context
    const message = decodeBody(wire, body, position)
    const userId = params.userId as string
    await within(clock, timeout, (async () => tell({ userId, message }))(), () => new PushError('PUSH_UNAVAILABLE', 'a listener of the inbox did not answer in time'))
  }

  // `null`: the log was created anew, or keeps it no longer.
  async #read (inbox: string, { epoch, offset }: Position): Promise<Uint8Array | null> {
    const page = await this.#context.log.read(inbox, { from: offset, limit: 1, bytes: 1 })
    return page.epoch === epoch && page.from === offset ? page.records[0]?.body ?? null : null
  }

  #passOver (): void {
    this.#context.counters.unwatched++
    if (this.#warned) return
    this.#warned = true
    this.#context.onError(new PushError('PUSH_BUSY', 'too many messages wait for inbox.onWaiting or inbox.onExpired: those sent now are not watched, and counted in stats().unwatched'))
  }
}
