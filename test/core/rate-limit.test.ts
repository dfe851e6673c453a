import t from 'tap'
import { RateLimit } from '../../lib/core/rate-limit.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'

t.test('within the rate nothing is owed, beyond it the time until it is made up for', async (t) => {
  const clock = new ManualClock()
  const rate = new RateLimit(100, clock)
  t.equal(rate.take(100), 0, 'a second at once')
  t.equal(rate.take(1), 10)
  t.equal(rate.take(1), 20)
  clock.advance(10)
  t.equal(rate.owed, 10)
  clock.advance(10)
  t.equal(rate.owed, 0)
  t.equal(rate.take(1), 10, 'nothing was left over')
})

t.test('in the long run it is the rate, after silence two seconds of it', async (t) => {
  const clock = new ManualClock()
  const rate = new RateLimit(100, clock)
  let taken = 0
  for (let ms = 0; ms < 60_000; ms++) {
    for (; rate.owed === 0; taken++) rate.take(1)
    clock.advance(1)
  }
  t.ok(taken >= 6000 && taken <= 6200, `${taken} in a minute`)
  clock.advance(3_600_000)
  let burst = 0
  while (rate.take(1) === 0) burst++
  t.ok(burst <= 101, 'an hour does not add up')
})

t.test('the clock is asked only when the bucket is empty', async (t) => {
  let asked = 0
  const clock = new ManualClock()
  const counting = { now: () => { asked++; return clock.now() }, timestamp: clock.timestamp, after: clock.after }
  const rate = new RateLimit(1000, counting)
  clock.advance(60_000)
  asked = 0
  for (let i = 0; i < 2000; i++) t.equal(rate.take(1), 0)
  t.equal(asked, 1)
  t.ok(rate.take(2) > 0)
})
