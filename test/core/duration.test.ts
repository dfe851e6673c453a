import t from 'tap'
import { parseDuration } from '../../lib/core/duration.js'

t.test('durations', async (t) => {
  for (const [value, ms] of [[5, 5], [0.5, 0.5], ['5ms', 5], ['30s', 30_000], ['2m', 120_000], ['3h', 10_800_000], ['36525d', 36_525 * 86_400_000]] as const) {
    t.equal(parseDuration(value, 'it'), ms)
  }
})

t.test('what is none, or more than a hundred years, is refused by its name', async (t) => {
  for (const value of [0, -1, NaN, Infinity, 1e300, '', '5', '0s', '-5s', '1.5s', '5 s', '5w', '36526d', '999999999999d', null, {}] as unknown as number[]) {
    t.throws(() => parseDuration(value, 'session.ttl'), { code: 'PUSH_OPTIONS', message: /^session\.ttl must/ })
  }
})
