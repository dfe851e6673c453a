import t from 'tap'
import { segments } from '../../lib/broker/segments.js'
import type { QoS } from '../../types/message.js'
import type { StoredRecord } from '../../types/storage.js'

const record = (name: string | null, qos: QoS = 1): StoredRecord => ({ body: name === null ? null : Buffer.from(name), qos })
const cut = (from: number, records: StoredRecord[], rewound = 0) =>
  segments(from, records, rewound).map(({ from, to, bodies }) => [from, to, bodies === null ? null : bodies.map(String).join('')])

t.test('runs to send and holes to step over, in turn', async (t) => {
  t.same(cut(5, []), [])
  t.same(cut(5, [record('a'), record('b')]), [[5, 6, 'ab']])
  t.same(cut(5, [record(null), record(null)]), [[5, 6, null]])
  t.same(cut(1, [record('a'), record(null), record(null), record('b'), record('c'), record(null)]), [[1, 1, 'a'], [2, 3, null], [4, 5, 'bc'], [6, 6, null]])
})

t.test('QoS 0 is a hole, unless it was asked for', async (t) => {
  const records = [record('a', 0), record('b', 0), record('c'), record('d', 0)]
  t.same(cut(1, records), [[1, 2, null], [3, 3, 'c'], [4, 4, null]])
  t.same(cut(1, records, 1), [[1, 1, 'a'], [2, 2, null], [3, 3, 'c'], [4, 4, null]])
  t.same(cut(1, records, 4), [[1, 4, 'abcd']])
  t.same(cut(1, [record(null, 0)], 4), [[1, 1, null]], 'what has expired stays a hole')
})
