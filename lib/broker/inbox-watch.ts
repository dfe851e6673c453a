import type { Position } from '../../types/message.js'
import type { InboxListener } from '../../types/options.js'
import type { CursorStore, LogStore } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import { Deadlines } from '../core/deadlines.js'
import { decodeBody } from './encoding.js'
import { INBOX } from './own-channels.js'
import { loadUserCursor } from './user-cursor.js'

/** Messages watched at the most; beyond, those sent last are not watched. */
const WATCHED = 100_000

export interface InboxWatchContext {
  readonly log: LogStore
  readonly cursors: CursorStore
  readonly clock: Clock
  readonly notifyAfter: number
  readonly onWaiting: InboxListener | undefined
  readonly onExpired: InboxListener | undefined
  readonly onError: (error: unknown) => void
}

interface Watched {
  readonly userId: string
  readonly inbox: string
  readonly position: Position
  readonly tell: InboxListener
  /** Of a message that expires: by then its body is gone from the log. */
  readonly body: Uint8Array | null
}

/** Tells of messages that wait in an inbox for too long, or in vain. The node that sent a message watches it, in memory. */
export class InboxWatch {
  readonly #context: InboxWatchContext
  readonly #deadlines: Deadlines<Watched>

  constructor (context: InboxWatchContext) {
    this.#context = context
    this.#deadlines = new Deadlines(context.clock, (watched) => { this.#look(watched).catch(context.onError) })
  }

  /** Watches a message that was just stored. `ttl` in milliseconds, if it has one. */
  watch (userId: string, inbox: string, position: Position, body: Uint8Array, ttl: number | undefined): void {
    const { clock, notifyAfter, onWaiting, onExpired } = this.#context
    if (this.#deadlines.size >= WATCHED) return
    const now = clock.now()
    const common = { userId, inbox, position }
    if (onWaiting !== undefined && notifyAfter < (ttl ?? Infinity)) this.#deadlines.add(now + notifyAfter, { ...common, tell: onWaiting, body: null })
    if (onExpired !== undefined && ttl !== undefined) this.#deadlines.add(now + ttl, { ...common, tell: onExpired, body })
  }

  /** Watches nothing any more. */
  close (): void {
    this.#deadlines.clear()
  }

  async #look ({ userId, inbox, position, tell, body }: Watched): Promise<void> {
    const cursor = await loadUserCursor(this.#context.cursors, inbox)
    if (cursor?.epoch === position.epoch && cursor.offset >= position.offset) return
    const found = body ?? await this.#read(inbox, position)
    if (found !== null) await tell({ userId, message: decodeBody(INBOX, found, position) })
  }

  // `null`: the log was created anew, or keeps it no longer.
  async #read (inbox: string, { epoch, offset }: Position): Promise<Uint8Array | null> {
    const page = await this.#context.log.read(inbox, { from: offset, limit: 1, bytes: 1 })
    return page.epoch === epoch && page.from === offset ? page.records[0]?.body ?? null : null
  }
}
