import type { Position } from '../../types/message.js'
import type { Clock } from '../core/clock.js'
import { ANY_INBOX } from '../core/channel-name.js'
import { PRESENCE } from '../core/presence-log.js'
import { isThenable } from './emitter.js'
import type { ClientStore } from './options.js'
import { readSaved, type SavedMessage, type SavedValue } from './saved-value.js'

/** How long changes that nobody waits for are gathered. Milliseconds. */
const DEBOUNCE = 250
/** A store that does not answer must not keep the client from connecting. Milliseconds. */
const LOAD_TIMEOUT = 5_000
/** Cursors of channels nobody subscribes to any more go, oldest first. */
const MAX_CURSORS = 1_000

export interface SavedStateOptions {
  readonly store: ClientStore | undefined
  readonly key: string
  readonly clock: Clock
  /** A fresh session secret, for a client that has none yet. */
  readonly secret: string
  readonly outbox: () => readonly SavedMessage[]
  readonly onError: (error: unknown) => void
}

/**
 * What outlives the process, if there is a store: the session's secret, what was handled, and what is not acknowledged yet. One
 * value under one key, so that the parts can only be restored together. Messages keep the publisher they were sent under; new ones never
 * use a restored publisher, so that two tabs with copies of one store cannot use a sequence twice. Nothing is saved before it was
 * loaded: that would overwrite what the earlier process left.
 */
export class SavedState {
  session: string
  readonly cursors = new Map<string, Position>()
  /** Whether what there was is restored. */
  loaded: boolean
  readonly #options: SavedStateOptions
  #releaseTimer: (() => void) | null = null
  #writing: Promise<void> | null = null
  #queued: Promise<void> | null = null

  constructor (options: SavedStateOptions) {
    this.#options = options
    this.session = options.secret
    this.loaded = options.store === undefined
  }

  get enabled (): boolean {
    return this.#options.store !== undefined
  }

  /** Restores, and hands over which messages were left. Never rejects; a broken store is reported and the client starts anew. */
  async load (restore: (outbox: readonly SavedMessage[]) => void): Promise<void> {
    const { store, key, clock, onError } = this.#options
    let outbox: readonly SavedMessage[] = []
    let release = () => {}
    const late = new Promise<never>((_resolve, reject) => {
      release = clock.after(LOAD_TIMEOUT, () => reject(new Error('the store did not answer')))
    })
    try {
      outbox = this.#restore(await Promise.race([store?.getItem(key), late]))
    } catch (error) {
      onError(error)
    } finally {
      release()
    }
    this.loaded = true
    restore(outbox)
  }

  /** Remembers what was handled in a channel. Saved before long, or by the next {@link SavedState.save}. */
  handled (channel: string, position: Position): void {
    // Who is there is read anew by the next process, and what any one client handles goes on from the user's cursor: where this one stood says nothing.
    if (!this.enabled || channel === ANY_INBOX || channel.startsWith(PRESENCE)) return
    this.cursors.delete(channel)
    this.cursors.set(channel, position)
    if (this.cursors.size > MAX_CURSORS) this.forget(this.cursors.keys().next().value as string)
    this.touch()
  }

  forget (channel: string): void {
    if (this.cursors.delete(channel)) this.touch()
  }

  /** Something changed that can wait a moment. */
  touch (): void {
    if (!this.enabled || !this.loaded || this.#releaseTimer !== null) return
    this.#releaseTimer = this.#options.clock.after(DEBOUNCE, () => { this.save() })
  }

  /** Saves now what would be saved before long. */
  flush (): void {
    if (this.#releaseTimer !== null) this.save()
  }

  /** Saves all there is. A promise only where the store is asynchronous. Never throws or rejects: without its store the client goes on. */
  save (): Promise<void> | undefined {
    if (!this.enabled || !this.loaded) return undefined
    this.#releaseTimer?.()
    this.#releaseTimer = null
    if (this.#queued !== null) return this.#queued
    if (this.#writing === null) return this.#write()
    // What is being written may lack the newest change, and two writes at once may end in either order.
    this.#queued = this.#writing.then(() => {
      this.#queued = null
      return this.#write()
    })
    return this.#queued
  }

  #write (): Promise<void> | undefined {
    const { store, key, onError, outbox } = this.#options
    const saved: SavedValue = { version: 1, session: this.session, cursors: Object.fromEntries(this.cursors), outbox: outbox() }
    try {
      const result = store?.setItem(key, JSON.stringify(saved))
      if (!isThenable(result)) return undefined
      this.#writing = Promise.resolve(result).then(() => {}, onError).then(() => { this.#writing = null })
      return this.#writing
    } catch (error) {
      onError(error)
      return undefined
    }
  }

  #restore (text: string | null | undefined): readonly SavedMessage[] {
    if (text === null || text === undefined) return []
    const { session, cursors, outbox } = readSaved(text)
    this.session = session
    for (const [channel, position] of Object.entries(cursors)) this.cursors.set(channel, position)
    return outbox
  }
}
