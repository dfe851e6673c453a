import type { Position } from '../../types/message.js'
import type { InboxListener } from '../../types/options.js'
import type { CursorStore, LogStore } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { within } from '../core/hooks.js'
import type { Channel } from './channels.js'
import type { Counters } from './counters.js'
import { decodeBody } from './encoding.js'
import { loadUserCursor } from './user-cursor.js'
import { Watchlist, type Watched } from './watchlist.js'

/** Messages that are looked at at once: a listener may well ask another service. */
const AT_ONCE = 100

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

/** Looks at a message whose moment has come. */
type Look = () => Promise<void>

/** Tells of messages that wait in an inbox for too long, or in vain. The node that sent a message watches it, in memory. */
export class InboxWatch {
  readonly #context: InboxWatchContext
  readonly #waiting: Watchlist | null
  readonly #expiring: Watchlist | null
  /** Those that came last, and before them those whose turn it is, the first one last. */
  #due: Look[] = []
  #turn: Look[] = []
  #looking = 0
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
    const isRoomToo = ttl === Infinity || (this.#expiring?.add(now + ttl, { ...watched, body }) ?? true)
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
    this.#due = []
    this.#turn = []
  }

  #listFor (tell: InboxListener | undefined): Watchlist | null {
    if (tell === undefined) return null
    const list = new Watchlist(this.#context.clock, (watched) => {
      this.#due.push(async () => {
        if (list.has(watched)) await this.#look(watched, tell).finally(() => list.delete(watched))
      })
      this.#lookOn()
    })
    return list
  }

  #lookOn (): void {
    while (this.#looking < AT_ONCE) {
      if (this.#turn.length === 0) [this.#turn, this.#due] = [this.#due.reverse(), []]
      const look = this.#turn.pop()
      if (look === undefined) return
      this.#looking++
      look().catch(this.#context.onError).finally(() => {
        this.#looking--
        this.#lookOn()
      })
    }
  }

  async #look ({ inbox: { name, wire, params }, position, body }: Watched, tell: InboxListener): Promise<void> {
    const { cursors, clock, timeout } = this.#context
    const cursor = await loadUserCursor(cursors, name)
    if (cursor?.epoch === position.epoch && cursor.offset >= position.offset) return
    const found = body ?? await this.#read(name, position)
    if (found === null) return
    const message = decodeBody(wire, found, position)
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
