import t from 'tap'
import { place } from '../../lib/broker/subscribing.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import type { Position, QoS } from '../../types/message.js'
import type { LogState } from '../../types/storage.js'
import { openNode, overStorage } from '../helpers/node.js'

const at = (offset: number, epoch = 'e'): Position => ({ epoch, offset })
const log: LogState = { epoch: 'e', head: 10, first: 4 }
const empty: LogState = { epoch: 'e', head: 0, first: 1 }
const trimmed: LogState = { epoch: 'e', head: 10, first: 11 }
const continued: LogState = { epoch: 'f', head: 10, first: 4, continues: [{ epoch: 'e', end: 6 }] }

const lost = (reason: string, from: number | null = null, to: number | null = null) => ({ reason, from, to, count: from === null || to === null ? null : to - from + 1 })

interface Row {
  readonly name: string
  readonly state?: LogState
  readonly qos?: QoS
  readonly position?: Position
  readonly rewind?: number
  readonly stored?: Position
  /** Where it starts, and how. */
  readonly starts: Position
  readonly verdict: 'started' | 'resumed' | 'lost'
  readonly gap?: object
}

const rows: Row[] = [
  { name: 'nothing known', starts: at(10), verdict: 'started' },
  { name: 'nothing known, an empty log', state: empty, starts: at(0), verdict: 'started' },
  { name: 'rewind', rewind: 3, starts: at(7), verdict: 'started' },
  { name: 'rewind 0', rewind: 0, starts: at(10), verdict: 'started' },
  { name: 'rewind beyond what is retained', rewind: 100, starts: at(3), verdict: 'started' },
  { name: 'rewind in a log that retains nothing', rewind: 5, state: trimmed, starts: at(10), verdict: 'started' },
  { name: 'rewind in an empty log', rewind: 5, state: empty, starts: at(0), verdict: 'started' },
  { name: 'a position', position: at(7), starts: at(7), verdict: 'resumed' },
  { name: 'a position beats rewind', position: at(7), rewind: 5, starts: at(7), verdict: 'resumed' },
  { name: 'a position at the head', position: at(10), starts: at(10), verdict: 'resumed' },
  { name: 'a position just before the first', position: at(3), starts: at(3), verdict: 'resumed' },
  { name: 'a position before the first', position: at(1), starts: at(3), verdict: 'lost', gap: lost('retention', 2, 3) },
  { name: 'a position beyond the head', position: at(12), starts: at(10), verdict: 'lost', gap: lost('unverified') },
  { name: 'a position of another epoch', position: at(7, 'x'), starts: at(3), verdict: 'lost', gap: lost('epoch') },
  { name: 'a position of the epoch before', state: continued, position: at(5), starts: at(5, 'f'), verdict: 'lost', gap: lost('unverified') },
  { name: 'a position of the epoch before, beyond its end', state: continued, position: at(9), starts: at(6, 'f'), verdict: 'lost', gap: lost('unverified') },
  { name: 'a stored cursor alone', stored: at(8), starts: at(8), verdict: 'resumed' },
  { name: 'a stored cursor beats rewind', stored: at(8), rewind: 5, starts: at(8), verdict: 'resumed' },
  { name: 'the stored cursor is greater', position: at(5), stored: at(8), starts: at(8), verdict: 'resumed' },
  { name: 'the position is greater', position: at(8), stored: at(5), starts: at(8), verdict: 'resumed' },
  { name: 'a lost stored cursor beneath a good position', position: at(8), stored: at(1), starts: at(8), verdict: 'resumed' },
  { name: 'a lost position beneath a good stored cursor', position: at(1), stored: at(8), starts: at(8), verdict: 'resumed' },
  { name: 'a stored cursor before the first', stored: at(0), starts: at(3), verdict: 'lost', gap: lost('retention', 1, 3) },
  { name: 'both of another epoch', position: at(3, 'x'), stored: at(9, 'x'), starts: at(3), verdict: 'lost', gap: lost('epoch') },
  { name: 'a position of another epoch, a good stored cursor', position: at(3, 'x'), stored: at(9), starts: at(9), verdict: 'lost', gap: lost('epoch') },
  { name: 'QoS 0 with a position: whatever was missed stays missed', qos: 0, position: at(1), starts: at(10), verdict: 'resumed' },
  { name: 'QoS 0 with a position of another epoch', qos: 0, position: at(1, 'x'), starts: at(10), verdict: 'resumed' },
  { name: 'QoS 0 with rewind', qos: 0, rewind: 2, starts: at(8), verdict: 'started' }
]

t.test('[P-3.2] where a subscription starts', async (t) => {
  for (const { name, state = log, qos = 1, position, rewind, stored = null, starts, verdict, gap } of rows) {
    const placed = place({ qos, position, rewind }, stored, state)
    t.same({ starts: placed.start.position, verdict: placed.verdict, gap: placed.gap }, { starts, verdict, gap }, name)
    t.equal(placed.start.head, state.head)
  }
})

t.test('a crowd that subscribes anew at once reads what the log is like a few times, not once each', async (t) => {
  let reads = 0
  const storage = overStorage(memoryStorage(), { log: (original) => ({ read: async (...args) => { reads++; await new Promise(setImmediate); return original.read(...args) } }) })
  const { hello, broker } = await openNode({ storage })
  await broker.publish('room/1', 1)
  for (const qos of [0, 1]) {
    reads = 0
    const peers = await Promise.all(Array.from({ length: 100 }, () => hello({ subscriptions: [{ channel: 'room/1', qos }] })))
    t.match(peers.map((peer) => peer.last('welcome')?.subscriptions[0]), Array(100).fill({ verdict: 'started', position: { offset: 1 } }))
    t.ok(reads <= 3, `${reads} reads at QoS ${qos}`)
    for (const peer of peers) await peer.cut()
  }
})
