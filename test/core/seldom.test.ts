import t from 'tap'
import { Seldom } from '../../lib/core/seldom.js'

t.test('each text is told once in a while, and then how often it was not', async (t) => {
  let now = 0
  const seldom = new Seldom({ now: () => now }, 1000)
  t.equal(seldom.ask('a'), 0)
  t.equal(seldom.ask('b'), 0, 'another one has its own time')
  for (now of [0, 1, 999]) t.equal(seldom.ask('a'), null)
  now = 1000
  t.equal(seldom.ask('a'), 3)
  t.equal(seldom.ask('a'), null)
  now = 5000
  t.equal(seldom.ask('a'), 1)
})

t.test('what differs each time is not remembered for ever', async (t) => {
  const seldom = new Seldom({ now: () => 0 }, 1000)
  for (let i = 0; i < 101; i++) t.equal(seldom.ask(`${i}`), 0)
  t.equal(seldom.ask('100'), null, 'the newest is known')
  t.equal(seldom.ask('0'), 0, 'the oldest is not')
})
