import t from 'tap'
import { Deadlines } from '../../lib/core/deadlines.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'

t.test('each comes in its time, and there is one timer', async (t) => {
  const clock = new ManualClock()
  const seen: [number, number][] = []
  const start = clock.now()
  const deadlines = new Deadlines<number>(clock, (item) => { seen.push([item, clock.now() - start]) })
  for (const at of [50, 10, 30, 10, 70, 20]) deadlines.add(start + at, at)
  t.equal(clock.pending, 1)
  t.equal(deadlines.size, 6)
  for (let i = 0; i < 8; i++) clock.advance(10)
  t.same(seen, [[10, 10], [10, 10], [20, 20], [30, 30], [50, 50], [70, 70]])
  t.same([deadlines.size, clock.pending], [0, 0])
})

t.test('an earlier one takes over the timer; what is past comes at once', async (t) => {
  const clock = new ManualClock()
  const seen: string[] = []
  const deadlines = new Deadlines<string>(clock, (item) => { seen.push(item) })
  deadlines.add(clock.now() + 1000, 'late')
  deadlines.add(clock.now() + 100, 'early')
  clock.advance(100)
  t.same(seen, ['early'])
  deadlines.add(clock.now() - 5, 'past')
  clock.advance(0)
  t.same(seen, ['early', 'past'])
  clock.advance(900)
  t.same(seen, ['early', 'past', 'late'])
})

t.test('one that is added while another comes', async (t) => {
  const clock = new ManualClock()
  const seen: string[] = []
  const deadlines: Deadlines<string> = new Deadlines(clock, (item) => {
    seen.push(item)
    if (item === 'first') deadlines.add(clock.now() + 5, 'second')
  })
  deadlines.add(clock.now() + 5, 'first')
  clock.advance(5)
  clock.advance(5)
  t.same(seen, ['first', 'second'])
})

t.test('cleared', async (t) => {
  const clock = new ManualClock()
  const deadlines = new Deadlines<string>(clock, () => t.fail('it was cleared'))
  deadlines.add(clock.now() + 5, 'a')
  deadlines.clear()
  t.same([deadlines.size, clock.pending], [0, 0])
  clock.advance(10)
})

t.test('as a sorted list would have it (seeded)', async (t) => {
  let state = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)) | 1
  t.comment(`SEED=${state}`)
  const below = (limit: number): number => { state = Math.imul(state, 1664525) + 1013904223 >>> 0; return (state >>> 8) % limit }
  const clock = new ManualClock()
  const start = clock.now()
  const seen: number[] = []
  const all: number[] = []
  const deadlines = new Deadlines<number>(clock, (item) => { seen.push(item) })
  for (let i = 0; i < 2000; i++) {
    const at = clock.now() - start + below(500)
    all.push(at)
    deadlines.add(start + at, at)
    if (below(3) === 0) clock.advance(below(40))
  }
  clock.advance(1000)
  t.same(seen, [...seen].sort((a, b) => a - b))
  t.same([...seen].sort((a, b) => a - b), all.sort((a, b) => a - b))
})
