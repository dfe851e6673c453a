import t from 'tap'
import { Graces } from '../../lib/broker/graces.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'

t.test('each item is over after its own time, one timer for all', async (t) => {
  const clock = new ManualClock()
  const over: string[] = []
  const names = new Map<object, string>()
  const graces = new Graces<object>(clock, (item) => { over.push(`${clock.now()} ${names.get(item)}`) })
  const add = (name: string, ms: number) => {
    const item = {}
    names.set(item, name)
    graces.add(item, ms)
    return item
  }
  add('a', 100)
  clock.advance(10)
  add('b', 100)
  const c = add('c', 100)
  add('short', 20)
  t.equal(clock.pending, 1)
  clock.advance(5)
  t.equal(graces.delete(c, 100), true)
  t.equal(graces.delete(c, 100), false)
  t.equal(graces.size, 3)
  clock.advance(1000)
  t.same(over, ['30 short', '100 a', '110 b'])
  t.equal(clock.pending, 0)
  add('d', 50)
  add('e', 60)
  graces.clear()
  clock.advance(100)
  t.equal(over.length, 3)
  const last = add('f', 50)
  graces.delete(last, 50)
  t.equal(clock.pending, 0, 'no timer for nobody')
})

t.test('what an item causes when it is over comes to its own time', async (t) => {
  const clock = new ManualClock()
  const over: number[] = []
  const graces: Graces<{ again: boolean }> = new Graces(clock, (item) => {
    over.push(clock.now())
    if (item.again) graces.add({ again: false }, 10)
  })
  graces.add({ again: true }, 100)
  graces.add({ again: false }, 200)
  clock.advance(300)
  t.same(over, [100, 110, 200])
})
