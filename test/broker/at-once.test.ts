import t from 'tap'
import { AtOnce } from '../../lib/broker/at-once.js'
import { settled } from '../helpers/node.js'

/** Work of which the test holds the ends. */
function make () {
  const ends = new Map<string, (error?: Error) => void>()
  const begun: string[] = []
  const work = (name: string) => () => new Promise<string>((resolve, reject) => {
    begun.push(name)
    ends.set(name, (error) => error === undefined ? resolve(name) : reject(error))
  })
  return { ends, begun, work }
}

t.test('so many at once, the others in order; what fails makes room too', async (t) => {
  const { ends, begun, work } = make()
  const atOnce = new AtOnce(2)
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) => atOnce.run(work(name)))
  t.same(begun, ['a', 'b'], 'those there is room for begin at once')
  ends.get('b')?.(new Error('no'))
  await t.rejects(all[1] as Promise<string>, { message: 'no' })
  await settled()
  t.same(begun, ['a', 'b', 'c'])
  const last = atOnce.run(work('f'))
  for (const name of ['a', 'c', 'd', 'e', 'f']) {
    ends.get(name)?.()
    await settled()
  }
  t.same(begun, ['a', 'b', 'c', 'd', 'e', 'f'])
  t.same([await all[4], await last], ['e', 'f'])
  atOnce.run(work('g')).catch(() => {})
  t.equal(begun.at(-1), 'g', 'nothing is left of those before')
})

t.test('each of many, whatever becomes of some', async (t) => {
  const { ends, begun, work } = make()
  const atOnce = new AtOnce(2)
  const names = ['a', 'b', 'c', 'd']
  const done = atOnce.each(names, (name) => work(name)())
  for (const name of names) {
    await settled()
    t.ok(begun.length <= names.indexOf(name) + 2)
    ends.get(name)?.(name === 'a' || name === 'd' ? new Error(name) : undefined)
  }
  await t.rejects(done, { message: 'a' }, 'the first failure, in the end')
  t.same(begun, names)
  await atOnce.each([], () => Promise.reject(new Error('nobody')))
})

t.test('who is forgotten has no turn', async (t) => {
  const { ends, begun, work } = make()
  const atOnce = new AtOnce(1)
  const first = atOnce.run(work('a'))
  atOnce.run(work('b')).catch(() => {})
  atOnce.clear()
  ends.get('a')?.()
  await first
  await settled()
  t.same(begun, ['a'])
  atOnce.run(work('c')).catch(() => {})
  t.same(begun, ['a', 'c'])
})
