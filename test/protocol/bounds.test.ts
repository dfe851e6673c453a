import t from 'tap'
import { decodeClientFrame } from '../../lib/protocol/codec.js'

const position = { channel: 'room/1', epoch: 'e', offset: 0 }
const hello = { type: 'hello', session: 's'.repeat(16) }
const publish = { type: 'publish', channel: 'room/1', qos: 1, sequence: 1, publisher: 'p'.repeat(16), data: null }
const subscribe = { type: 'subscribe', id: 1, channel: 'room/1', qos: 1 }
const request = (type: string) => ({ type, id: 1, channel: 'room/1' })
const most = 2 ** 53 - 1

// What the clause says: a frame, a field, and values at and beyond its bounds.
const bounds: ReadonlyArray<readonly [frame: object, field: string, good: readonly unknown[], bad: readonly unknown[]]> = [
  [publish, 'id', ['x', 'x'.repeat(128)], ['', 'x'.repeat(129)]],
  [publish, 'publisher', ['p'.repeat(16), 'A-z_0'.padEnd(64, '9')], ['p'.repeat(15), 'p'.repeat(65), 'p'.repeat(16) + '.']],
  [publish, 'sequence', [1, most], [0, most + 1, 1.5]],
  [publish, 'ttl', [1, most], [0, most + 1, 1.5]],
  [hello, 'session', ['s'.repeat(16), 's'.repeat(64)], ['s'.repeat(15), 's'.repeat(65), 's'.repeat(16) + '~']],
  [hello, 'clientId', ['a', 'a.~@_-'.padEnd(128, '1')], ['', 'a'.repeat(129), 'a/b']],
  [hello, 'token', ['x'.repeat(8192)], ['x'.repeat(8193)]],
  [hello, 'subscriptions', [Array(10_000).fill({ channel: 'room/1', qos: 1 })], [Array(10_001).fill({ channel: 'room/1', qos: 1 })]],
  [{ type: 'ack' }, 'positions', [Array(10_000).fill(position)], [Array(10_001).fill(position)]],
  [subscribe, 'id', [0, most], [-1, most + 1, 1.5, '1']],
  [subscribe, 'rewind', [0, 1_000_000], [-1, 1_000_001]],
  [subscribe, 'position', [{ epoch: 'e'.repeat(64), offset: most }], [{ epoch: 'e'.repeat(65), offset: 0 }, { epoch: '', offset: 0 }, { epoch: 'e', offset: -1 }]],
  [request('history'), 'limit', [1, 1_000_000], [0, 1_000_001]],
  [request('presence'), 'limit', [0, 1_000_000], [-1, 1_000_001]]
]

for (const [frame, field, good, bad] of bounds) {
  t.test(`[P-9.6] ${(frame as { type: string }).type}: ${field}`, async (t) => {
    for (const value of good) t.equal(decodeClientFrame(JSON.stringify({ ...frame, [field]: value })).status, 'frame', 'within')
    for (const value of bad) t.equal(decodeClientFrame(JSON.stringify({ ...frame, [field]: value })).status, 'malformed', 'beyond')
  })
}
