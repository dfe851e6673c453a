import type { Position } from '../../types/message.js'
import type { LogStore } from '../../types/storage.js'
import { resume } from '../core/position.js'

/** Records and bytes of them looked at in one step. */
const STEP = 256
const STEP_BYTES = 1024 * 1024

/**
 * How many messages a log still has after a position, or in all where there is none: what has run out does not count, nor what was sent at QoS 0.
 * Counts no further than `most`. Rejects as the log does.
 */
export async function countAfter (log: LogStore, channel: string, position: Position | null, most: number): Promise<number> {
  const state = await log.read(channel, { from: 1, limit: 0, bytes: 0 })
  let from = position === null ? state.first : resume(position, state).position.offset + 1
  let count = 0
  while (from <= state.head && count < most) {
    const page = await log.read(channel, { from, limit: STEP, bytes: STEP_BYTES })
    if (page.epoch !== state.epoch || page.records.length === 0) break
    for (const { body, qos } of page.records) if (body !== null && qos > 0) count++
    from = page.from + page.records.length
  }
  return Math.min(count, most)
}
