import t from 'tap'
import { Tick } from '../../lib/broker/tick.js'

function makeTick () {
  const deferred: (() => void)[] = []
  const errors: unknown[] = []
  const told: string[] = []
  const tick = new Tick((callback) => { deferred.push(callback) }, (error) => { errors.push(error) })
  const ending = (name: string, work = () => {}) => ({ endTick: () => { told.push(name); work() } })
  const run = () => deferred.shift()?.()
  return { tick, deferred, errors, told, ending, run }
}

t.test('channels first, then connections, in one callback', async (t) => {
  const { tick, deferred, told, ending, run } = makeTick()
  tick.connection(ending('connection'))
  tick.channel(ending('channel', () => tick.connection(ending('handed'))))
  t.equal(deferred.length, 1)
  run()
  t.same(told, ['channel', 'connection', 'handed'])
  t.equal(deferred.length, 0, 'nothing is left for another tick')
})

t.test('what comes while connections write is for the next tick', async (t) => {
  const { tick, deferred, told, ending, run } = makeTick()
  tick.connection(ending('first', () => {
    tick.connection(ending('second'))
    tick.channel(ending('channel'))
  }))
  run()
  t.same(told, ['first'])
  t.equal(deferred.length, 1)
  run()
  t.same(told, ['first', 'channel', 'second'])
})

t.test('a channel that hears something while channels end waits for the next tick', async (t) => {
  const { tick, told, ending, run, deferred } = makeTick()
  tick.channel(ending('a', () => tick.channel(ending('b'))))
  run()
  t.same(told, ['a'])
  t.equal(deferred.length, 1)
  run()
  t.same(told, ['a', 'b'])
})

t.test("one's trouble is not the others'", async (t) => {
  const { tick, errors, told, ending, run } = makeTick()
  const fails = () => { throw new Error('trouble') }
  tick.channel(ending('a', fails))
  tick.channel(ending('b'))
  tick.connection(ending('c', fails))
  tick.connection(ending('d'))
  run()
  t.same(told, ['a', 'b', 'c', 'd'])
  t.equal(errors.length, 2)
})
