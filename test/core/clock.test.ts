import t from 'tap'
import { systemClock } from '../../lib/core/clock.js'
import { ManualClock } from '../../lib/testkit/index.js'

t.test('the machine\'s clock: monotonic, calls back once, can be released', async (t) => {
  const before = systemClock.now()
  let calls = 0
  const release = systemClock.after(0, () => { calls++ })
  release()
  release()
  await new Promise<void>((resolve) => { systemClock.after(1, resolve) })
  t.equal(calls, 0)
  t.ok(systemClock.now() >= before)
  t.ok(systemClock.timestamp() > 1_600_000_000_000)
})

t.test('the manual clock: timers in the order of their time, each at its own', async (t) => {
  const clock = new ManualClock(1000)
  const heard: string[] = []
  const hear = (name: string) => () => { heard.push(`${name} ${clock.now()} ${clock.timestamp()}`) }
  clock.after(20, hear('b'))
  clock.after(10, () => { hear('a')(); clock.after(5, hear('nested')); clock.after(100, hear('late')) })
  clock.after(20, hear('c'))
  const release = clock.after(15, hear('released'))
  release()
  clock.after(-5, hear('at once'))
  clock.advance(9)
  t.same(heard, ['at once 0 1000'])
  clock.advance(11)
  t.same(heard.slice(1), ['a 10 1010', 'nested 15 1015', 'b 20 1020', 'c 20 1020'])
  t.same([clock.now(), clock.timestamp(), clock.pending], [20, 1020, 1])
  release()
  clock.advance(90)
  t.equal(heard.at(-1), 'late 110 1110')
  t.equal(clock.pending, 0)
})

t.test('the manual clock: promises settle between timers', async (t) => {
  const clock = new ManualClock()
  const heard: string[] = []
  clock.after(1, () => { Promise.resolve().then(() => Promise.resolve()).then(() => { heard.push('promise'); clock.after(1, () => heard.push('timer of promise')) }) })
  clock.after(2, () => { heard.push('timer') })
  await clock.advanceAsync(5)
  t.same(heard, ['promise', 'timer', 'timer of promise'])
  t.equal(clock.now(), 5)
})

t.test('the manual clock: advancing from within a timer does not turn time back', async (t) => {
  const clock = new ManualClock()
  clock.after(1, () => clock.advance(10))
  clock.advance(5)
  t.equal(clock.now(), 11)
})
