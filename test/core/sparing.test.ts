import t from 'tap'
import { PushError } from '../../lib/core/errors.js'
import { Sparing } from '../../lib/core/sparing.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'

t.test('of a kind of trouble the first ten within ten seconds are told, and later how many there were besides', async (t) => {
  const clock = new ManualClock()
  const sparing = new Sparing(clock)
  const told: Array<number | undefined> = []
  const tell = (times: number, error: unknown, what = 'storage'): void => {
    for (let i = 0; i < times; i++) sparing.tell(error, what, ({ untold }) => { told.push(untold) })
  }
  tell(25, new PushError('PUSH_STORAGE_UNAVAILABLE'))
  t.same(told.splice(0), Array.from({ length: 10 }))
  tell(1, new PushError('PUSH_STORAGE_UNKNOWN'))
  tell(1, new PushError('PUSH_STORAGE_UNAVAILABLE'), 'publish')
  t.same(told.splice(0), [undefined, undefined], 'another one is its own kind')
  tell(20, new Error('of a hook'))
  tell(20, new PushError('PUSH_INTERNAL'))
  tell(20, new PushError('PUSH_INVALID'))
  t.equal(told.splice(0).length, 60, 'what is not a passing trouble is told each time')
  await clock.advance(10_000)
  tell(12, new PushError('PUSH_STORAGE_UNAVAILABLE'))
  t.same(told.splice(0), [15, ...Array.from({ length: 9 })])
})
