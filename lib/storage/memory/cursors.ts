import type { Clock } from '../../core/clock.js'
import { later } from '../../core/position.js'
import type { Position } from '../../../types/message.js'
import type { CursorCommit, CursorStore } from '../../../types/storage.js'
import type { Channels, Cursor } from './channels.js'
import { ExpiringMap } from './expiring-map.js'
import type { Lifecycle } from '../lifecycle.js'
import { Smallest } from './smallest.js'

/** The cursors of all channels, in memory. */
export class MemoryCursors implements CursorStore {
  readonly #lifecycle: Lifecycle
  readonly #clock: Clock
  readonly #channels: Channels
  readonly #limit: number

  constructor (lifecycle: Lifecycle, clock: Clock, channels: Channels, limit: number) {
    this.#limit = limit
    this.#lifecycle = lifecycle
    this.#clock = clock
    this.#channels = channels
  }

  async load (channel: string, session: string): Promise<Position | null> {
    this.#lifecycle.assertOpen()
    return this.#channels.find(channel)?.cursors?.get(session, this.#clock.now())?.position ?? null
  }

  async commit (channel: string, commits: readonly CursorCommit[]): Promise<ReadonlyArray<'committed' | 'fenced'>> {
    this.#lifecycle.assertOpen()
    const now = this.#clock.now()
    const cursors = this.#channels.obtain(channel, now).cursors ??= new ExpiringMap(this.#limit)
    return commits.map((commit) => {
      const stored = cursors.get(commit.session, now)
      if (stored !== undefined && stored.generation > commit.generation) return 'fenced'
      if (stored === undefined) {
        const { position, generation, number, ttl } = commit
        cursors.add(commit.session, { position, generation, number, until: now + ttl }, now)
      } else {
        move(stored, commit, now)
        cursors.renew(commit.session, stored, now)
      }
      return 'committed'
    })
  }

  async reached (channel: string, { position, after = '', limit }: { readonly position: Position, readonly after?: string, readonly limit: number }): Promise<readonly string[]> {
    this.#lifecycle.assertOpen()
    const found = new Smallest(limit)
    for (const [session, { position: { epoch, offset } }] of this.#channels.find(channel)?.cursors?.living(this.#clock.now()) ?? []) {
      if (session > after && epoch === position.epoch && offset >= position.offset) found.add(session)
    }
    return found.sorted
  }

  async remove (channel: string, session: string, generation: number): Promise<void> {
    this.#lifecycle.assertOpen()
    const cursors = this.#channels.find(channel)?.cursors
    const stored = cursors?.get(session, this.#clock.now())
    if (stored !== undefined && stored.generation <= generation) cursors?.delete(session)
  }
}

// By a commit that is not fenced.
function move (stored: Cursor, commit: CursorCommit, now: number): void {
  const { generation, number, position, ttl } = commit
  const isLater = generation > stored.generation || number > stored.number
  if (position.epoch === stored.position.epoch) stored.position = later(stored.position, position)
  else if (isLater) stored.position = position
  if (isLater) {
    stored.generation = generation
    stored.number = number
  }
  stored.until = now + ttl
}
