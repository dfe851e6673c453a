import type { Clock } from '../../core/clock.js'
import { PushError } from '../../core/errors.js'
import type { Position } from '../../../types/message.js'
import type { AppendOutcome, Draft, DraftKey, FeedRecord, LogStore, Page, Recognised, Retention } from '../../../types/storage.js'
import type { Budget } from './budget.js'
import { newEpoch } from '../epoch.js'
import { ChannelLog, slotOf, type KeyLimits } from './channel-log.js'
import type { Channels } from './channels.js'
import type { MemoryFeed } from './feed.js'
import type { Lifecycle } from '../lifecycle.js'

/** What the log shares with the other ports, and its limits. */
export interface LogParts {
  readonly lifecycle: Lifecycle
  readonly clock: Clock
  readonly channels: Channels
  readonly feed: MemoryFeed
  readonly budget: Budget
  readonly keys: KeyLimits
}

/** The logs of all channels, in memory. Every operation is done before the call returns: none interleaves with another. */
export class MemoryLog implements LogStore {
  readonly #parts: LogParts
  readonly #noEpoch = newEpoch()
  #forgotten = 0

  constructor (parts: LogParts) {
    this.#parts = parts
  }

  /** Ids and publishers that were forgotten before their time. */
  get forgotten (): number {
    return this.#forgotten
  }

  async append (channel: string, drafts: readonly Draft[], retention: Retention): Promise<readonly AppendOutcome[]> {
    const { outcomes, announce } = this.appendWithin(channel, drafts, retention)
    announce()
    return outcomes
  }

  /** Appends as a part of a larger step, at the end of which `announce` is to be called. Throws as `append` rejects, and has changed nothing then. */
  appendWithin (channel: string, drafts: readonly Draft[], retention: Retention): { readonly outcomes: readonly AppendOutcome[], readonly announce: () => void } {
    const { lifecycle, clock, feed, budget } = this.#parts
    lifecycle.assertOpen()
    const most = Math.min(retention.bytes, budget.room)
    if (retention.limit < 1 || drafts.some(({ body }) => body.byteLength > most)) throw new PushError('PUSH_STORAGE_FULL')
    const now = clock.now()
    const log = this.#log(channel, now)
    const forgotten = log.forgotten
    log.keep(retention, now)
    const appending = new Appending(log, now)
    const outcomes = drafts.map((draft) => appending.take(draft))
    const { stored } = appending
    this.#forgotten += log.forgotten - forgotten
    const from = log.state().head - stored.length + 1
    return { outcomes, announce: () => { if (stored.length > 0) feed.announce(channel, { epoch: log.epoch, from, records: stored }) } }
  }

  /** The newest position of a log, which is made if need be. */
  head (channel: string): Position {
    const { epoch, head } = this.#log(channel, this.#parts.clock.now()).state()
    return { epoch, offset: head }
  }

  /** The same, but a log that is not there stays so: its epoch is that of none. */
  headIfAny (channel: string): Position {
    return this.#parts.channels.find(channel)?.log === undefined ? { epoch: this.#noEpoch, offset: 0 } : this.head(channel)
  }

  async recognise (channel: string, key: DraftKey): Promise<Recognised | null> {
    const { lifecycle, clock, channels } = this.#parts
    lifecycle.assertOpen()
    return channels.find(channel)?.log?.recognise(key, clock.now()) ?? null
  }

  async read (channel: string, query: { from: number, limit: number, bytes: number }): Promise<Page> {
    const { lifecycle, clock } = this.#parts
    lifecycle.assertOpen()
    const now = clock.now()
    return this.#log(channel, now).page(query, now)
  }

  #log (name: string, now: number): ChannelLog {
    const { channels, budget, keys } = this.#parts
    const channel = channels.obtain(name, now)
    channel.log ??= new ChannelLog(budget, keys)
    return channel.log
  }
}

/** One append under way. */
class Appending {
  readonly stored: FeedRecord[] = []
  readonly #log: ChannelLog
  readonly #now: number
  /** Publishers that had a conflict: what is new of them is one too. */
  #stopped: Set<string> | null = null

  constructor (log: ChannelLog, now: number) {
    this.#log = log
    this.#now = now
  }

  take (draft: Draft): AppendOutcome {
    const recognised = this.#recognise(draft)
    if (recognised === null) return this.#store(draft)
    const { publisher } = draft
    if (recognised.status === 'duplicate') this.#log.refresh(draft, recognised.position, this.#now)
    else if (publisher !== undefined) (this.#stopped ??= new Set()).add(publisher.id)
    return recognised
  }

  #recognise (draft: Draft): Recognised | null {
    const { publisher } = draft
    if (publisher === undefined || this.#stopped?.has(publisher.id) !== true) return this.#log.recognise(draft, this.#now)
    return this.#log.recognise({ publisher }, this.#now) ?? { status: 'conflict' }
  }

  #store (draft: Draft): AppendOutcome {
    const log = this.#log
    const slot = slotOf(draft.body, draft.qos, draft.ttl, this.#now)
    const offset = log.push(slot)
    this.stored.push(slot)
    log.remember(draft, offset, this.#now)
    return { status: 'stored', position: { epoch: log.epoch, offset } }
  }
}
