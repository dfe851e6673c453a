import type { Position } from '../../../types/message.js'
import type { FeedListener } from '../../../types/storage.js'
import { PushError } from '../../core/errors.js'
import type { ChannelLog } from './channel-log.js'
import type { ExpiringMap, Expiring } from './expiring-map.js'
import type { Members } from './members.js'

/** Where a session stands, and which write of it said so. */
export interface Cursor extends Expiring {
  position: Position
  generation: number
  number: number
}

/** One listener of one `join`. */
export interface Joined {
  readonly listener: FeedListener
}

/** All that is held of a channel. Each part is made when it is first needed. */
export interface Channel {
  log?: ChannelLog
  cursors?: ExpiringMap<Cursor>
  listeners?: Set<Joined>
  members?: Members
  /** When it was last asked for. */
  usedAt: number
}

/** The channels that hold something, or held it a moment ago. */
export class Channels {
  readonly #channels = new Map<string, Channel>()
  readonly #limit: number

  constructor (limit: number) {
    this.#limit = limit
  }

  get size (): number {
    return this.#channels.size
  }

  find (name: string): Channel | undefined {
    return this.#channels.get(name)
  }

  /** The channel, made if need be. Throws `PUSH_STORAGE_FULL` if there are too many. */
  obtain (name: string, now: number): Channel {
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      if (this.#channels.size >= this.#limit) throw new PushError('PUSH_STORAGE_FULL', 'too many channels')
      this.#channels.set(name, channel = { usedAt: now })
    }
    channel.usedAt = now
    return channel
  }

  clear (): void {
    this.#channels.clear()
  }

  /**
   * Drops what has had its time, then channels that hold nothing and were not asked for since `idle` milliseconds.
   * Yields after each item.
   */
  * sweep (now: () => number, idle: number): Generator<void, void> {
    for (const [name, channel] of this.#channels) {
      if (channel.log !== undefined) yield * channel.log.sweep(now)
      if (channel.cursors !== undefined) yield * channel.cursors.sweep(now)
      if (channel.members !== undefined) yield * channel.members.sweep(now)
      if (holdsNothing(channel) && now() - channel.usedAt >= idle) this.#channels.delete(name)
      yield
    }
  }
}

function holdsNothing ({ log, cursors, listeners, members }: Channel): boolean {
  return (log?.isEmpty ?? true) && (members?.isEmpty ?? true) && (cursors?.size ?? 0) === 0 && (listeners?.size ?? 0) === 0
}
