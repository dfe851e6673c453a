import { quietClock, type Clock } from '../../core/clock.js'
import { PushError } from '../../core/errors.js'
import type { StorageAdapter } from '../../../types/storage.js'
import { Budget } from './budget.js'
import { Channels } from './channels.js'
import { MemoryCursors } from './cursors.js'
import { MemoryFeed } from './feed.js'
import { Lifecycle } from '../lifecycle.js'
import { MemoryLog } from './log.js'
import { MemoryPresence } from './presence.js'
import { MemorySessions } from './sessions.js'
import { startSweeper } from './sweeper.js'

/** Bounds of a memory storage. Each has a default. */
export interface MemoryStorageOptions {
  /** Time. Default: the machine's clock, with timers that keep no process alive. */
  readonly clock?: Clock
  /**
   * Bytes of bodies that all channels may hold together, and members with some more for each. Members may have half of it; beyond, entering is refused with `PUSH_STORAGE_FULL`.
   * What channels and records take besides is not in it: about 1.5 KB a channel and 100 bytes a record, within the two bounds of theirs. Default: 256 MiB.
   */
  readonly bytes?: number
  /** Records that all channels may hold together. Default: 1,000,000. */
  readonly records?: number
  /** Message ids remembered for each channel. Beyond it the oldest is forgotten before its time, and counted. Default: 10,000. */
  readonly idLimit?: number
  /** Publishers remembered for each channel. Beyond it the one silent for longest is forgotten before its time, and counted. Default: 100,000. */
  readonly publisherLimit?: number
  /** Channels held at once. Beyond it an operation that needs a new one is refused with `PUSH_STORAGE_FULL`. Default: 1,000,000. */
  readonly channels?: number
  /** Cursors of one channel. Beyond it the one written longest ago is forgotten before its time. Default: 100,000. */
  readonly cursorLimit?: number
  /** Sessions held at once, and as many times at which a channel's last member left. Beyond it the one seen longest ago is forgotten before its time. Default: 1,000,000. */
  readonly sessions?: number
  /** How long a channel that holds nothing keeps its epoch and head after it was last asked for, in milliseconds. Default: 10 minutes. */
  readonly idle?: number
}

/** What a memory storage holds, and what it gave up for want of room. */
export interface MemoryStats {
  /** Channels of which anything is held. */
  readonly channels: number
  readonly records: number
  /** Bytes of bodies and members, without what channels and records take besides. */
  readonly bytes: number
  /** Records dropped because all channels together held too much. */
  readonly evicted: number
  /** Ids and publishers forgotten before their time because a channel had too many: their repeats are no longer recognised. */
  readonly forgottenIds: number
}

/** The storage adapter that keeps everything in this process: exact, bounded, gone with the process. */
export interface MemoryStorage extends StorageAdapter {
  /** What is held now. Costs nothing; may be called at any time. */
  stats (): MemoryStats
}

const defaults = { bytes: 256 * 1024 * 1024, records: 1_000_000, idLimit: 10_000, publisherLimit: 100_000, channels: 1_000_000, cursorLimit: 100_000, sessions: 1_000_000, idle: 600_000 }

/**
 * Storage in memory, for one node. When all channels together would hold more than the bound, the channel that holds the
 * most loses its oldest record: a gap of retention for whoever still needed it.
 * Throws `PUSH_OPTIONS` if a bound is not a positive integer.
 */
export function memoryStorage (options: MemoryStorageOptions = {}): MemoryStorage {
  const { bytes, records, idLimit, publisherLimit, cursorLimit, idle, ...most } = boundsOf(options)
  const clock = options.clock ?? quietClock
  const lifecycle = new Lifecycle()
  const channels = new Channels(most.channels)
  const budget = new Budget({ bytes, records })
  const feed = new MemoryFeed(lifecycle, clock, channels)
  const log = new MemoryLog({ lifecycle, clock, channels, feed, budget, keys: { ids: idLimit, publishers: publisherLimit } })
  const sessions = new MemorySessions(lifecycle, clock, most.sessions)
  const presence = new MemoryPresence({ lifecycle, clock, channels, log, budget, limit: most.sessions })
  let stopSweeping = (): void => {}

  function * round (): Generator<void, void> {
    const now = () => clock.now()
    yield * channels.sweep(now, idle)
    yield * sessions.sweep(now)
    yield * presence.sweep(now)
  }

  return {
    log,
    feed,
    sessions,
    presence,
    cursors: new MemoryCursors(lifecycle, clock, channels, cursorLimit),
    supports: { durable: false, shared: false, certain: true },
    async open (context) {
      await lifecycle.open(context)
      stopSweeping = startSweeper(clock, round)
    },
    async close () {
      lifecycle.close()
      stopSweeping()
      channels.clear()
      sessions.clear()
      presence.clear()
      budget.clear()
    },
    async health () {
      return lifecycle.isOpen ? { ok: true } : { ok: false, reason: 'not open' }
    },
    stats () {
      return {
        channels: channels.size,
        records: budget.records,
        bytes: budget.bytes,
        evicted: budget.evicted,
        forgottenIds: log.forgotten
      }
    }
  }
}

function boundsOf (options: MemoryStorageOptions): typeof defaults {
  const bounds = { ...defaults }
  for (const name of Object.keys(defaults) as Array<keyof typeof defaults>) {
    const value = options[name] ?? defaults[name]
    if (!Number.isSafeInteger(value) || value < 1) throw new PushError('PUSH_OPTIONS', `memoryStorage: '${name}' must be a positive integer`)
    bounds[name] = value
  }
  return bounds
}
