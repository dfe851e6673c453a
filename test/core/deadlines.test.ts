import t from 'tap'
import { Deadlines, type Deadline } from '../../lib/core/deadlines.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { Random } from '../model/random.js'

/** A clock whose wall clock can be set anew. */
class SettableClock extends ManualClock {
  shift = 0

  override timestamp (): number {
    return super.timestamp() + this.shift
  }
}

/** Deadlines, and what was due when, as the clock told time. */
function make (time: 'now' | 'timestamp' = 'now') {
  const clock = new SettableClock(0)
  const due: [string, number][] = []
  const deadlines = new Deadlines<string>(clock, (item) => { due.push([item, clock[time]()]) }, time)
  return { clock, due, deadlines, names: () => due.map(([name]) => name), add: (at: number, name = String(at)) => deadlines.add(at, name) }
}

t.test('each comes in its time, never before, and there is one timer', async (t) => {
  for (const time of ['now', 'timestamp'] as const) {
    const { clock, due, deadlines, add } = make(time)
    for (const at of [50, 10, 30, 100.5, 10, 70, 20]) add(at)
    t.equal(clock.pending, 1)
    t.equal(deadlines.size, 7)
    for (let i = 0; i < 8; i++) clock.advance(10)
    t.same(due, [['10', 10], ['10', 10], ['20', 20], ['30', 30], ['50', 50], ['70', 70]])
    clock.advance(1000)
    t.same(due.at(-1), ['100.5', 101])
    t.same([deadlines.size, clock.pending], [0, 0], 'no timer without anything to wait for')
  }
})

t.test('an earlier one takes over the timer; what is past comes at once', async (t) => {
  const { clock, names, add } = make()
  add(1000, 'late')
  add(100, 'early')
  clock.advance(100)
  t.same(names(), ['early'])
  add(95, 'past')
  clock.advance(0)
  t.same(names(), ['early', 'past'])
  clock.advance(900)
  t.same(names(), ['early', 'past', 'late'])
})

t.test('of the same moment, the one that was added first is first', async (t) => {
  const { clock, names, add, deadlines } = make()
  const added = Array.from({ length: 20 }, (_, i) => ({ name: `${i}`, deadline: add(100, `${i}`) }))
  const [gone] = added.splice(3, 1)
  deadlines.delete(gone?.deadline as Deadline<string>)
  clock.advance(100)
  t.same(names(), added.map(({ name }) => name))
})

t.test('what was taken out is not due', async (t) => {
  const { clock, names, deadlines, add } = make()
  const first = add(100)
  add(200)
  t.equal(deadlines.delete(first), true)
  t.equal(deadlines.delete(first), false)
  clock.advance(1000)
  t.same(names(), ['200'])
  const last = add(3000)
  deadlines.delete(last)
  t.same([deadlines.size, clock.pending], [0, 0], 'no timer for nobody')
  add(4000)
  t.equal(deadlines.delete(last), false, 'another one is in its place')
  t.equal(deadlines.delete(first), false)
  t.equal(deadlines.size, 1)
  clock.advance(4000)
  t.same(names(), ['200', '4000'])
})

t.test('one that is due is out, and may add others and take them out', async (t) => {
  const clock = new ManualClock()
  const due: [string, number][] = []
  const deadlines: Deadlines<string> = new Deadlines(clock, (item) => {
    due.push([item, clock.now()])
    if (item !== 'first') return
    t.equal(deadlines.delete(first), false)
    deadlines.delete(third)
    deadlines.add(150, 'second')
    deadlines.add(100, 'again')
  })
  const first = deadlines.add(100, 'first')
  const third = deadlines.add(300, 'third')
  deadlines.add(400, 'last')
  clock.advance(1000)
  t.same(due, [['first', 100], ['again', 100], ['second', 150], ['last', 400]])
})

t.test('cleared', async (t) => {
  const { clock, due, deadlines, add } = make()
  const gone = add(5)
  deadlines.clear()
  t.same([deadlines.size, clock.pending], [0, 0])
  t.equal(deadlines.delete(gone), false)
  clock.advance(10)
  add(20, 'later')
  t.equal(deadlines.delete(gone), false)
  clock.advance(10)
  t.same(due, [['later', 20]])
})

t.test('a wall clock that is set forward is seen within 30 s, one that is set back too', async (t) => {
  const { clock, due, add } = make('timestamp')
  add(3_600_000)
  clock.advance(1000)
  clock.shift = 3_600_000
  clock.advance(30_000)
  t.equal(due.length, 1)
  add(clock.timestamp() + 60_000, 'later')
  clock.shift = 0
  clock.advance(3_600_000)
  t.equal(due.length, 1, 'it is not that late yet')
  clock.advance(90_000)
  t.equal(due.length, 2)
})

t.test('one that is added after the wall clock was set forward comes in its time', async (t) => {
  const { clock, names, add } = make('timestamp')
  add(10_000_000)
  clock.shift = 3_600_000
  add(clock.timestamp() + 5000, 'soon')
  clock.advance(4999)
  t.same(names(), [])
  clock.advance(1)
  t.same(names(), ['soon'])
})

t.test('as a sorted list would have it, whatever is added and taken out (seeded)', async (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.comment(`SEED=${seed}`)
  const random = new Random(seed)
  const below = (limit: number) => Math.floor(random.next() * limit)
  for (let round = 0; round < 200; round++) {
    const { clock, due, deadlines, add } = make(below(2) === 0 ? 'now' : 'timestamp')
    const all = new Map<string, Deadline<string>>()
    const gone = new Set<string>()
    for (let i = 0; i < 200; i++) {
      if (below(3) > 0) all.set(`${i}`, add(clock.now() + below(500), `${i}`))
      const [name, deadline] = [...all][below(all.size)] ?? []
      if (below(3) === 0 && name !== undefined && deadline !== undefined && deadlines.delete(deadline)) gone.add(name)
      if (below(4) === 0) clock.advance(below(40))
      if (deadlines.size !== all.size - gone.size - due.length) t.fail(`round ${round}: ${deadlines.size} wait`)
    }
    clock.advance(500)
    const wanted = [...all.values()].filter(({ item }) => !gone.has(item)).sort((a, b) => a.at - b.at || a.number - b.number)
    const seen = due.map(([name, when]) => `${name} ${when}`)
    if (JSON.stringify(seen) !== JSON.stringify(wanted.map(({ item, at }) => `${item} ${at}`))) t.fail(`round ${round}`)
  }
})
