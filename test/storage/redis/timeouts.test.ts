import { once } from 'node:events'
import t from 'tap'
import { Timeouts } from '../../../lib/storage/redis/timeouts.js'
import { spawnNode } from '../../helpers/spawn-node.js'

const alive = setInterval(() => {}, 1000) // what is tested lets the process end
t.teardown(() => clearInterval(alive))

/** Those that were due, in order, and a way to wait for one. */
function list () {
  const due: string[] = []
  const waiting = new Map<string, () => void>()
  const told = (item: string) => {
    due.push(item)
    waiting.get(item)?.()
  }
  return { due, told, comes: (item: string) => new Promise<void>((resolve) => { waiting.set(item, resolve) }) }
}

t.test('who came first is due first, and who was taken out is not', async (t) => {
  const { due, told, comes } = list()
  const timeouts = new Timeouts<string>(5, told)
  for (const item of ['a', 'b', 'c']) timeouts.add(item)
  timeouts.delete('b')
  t.same([timeouts.size, timeouts.all()], [2, ['a', 'c']])
  await comes('c')
  t.same([due, timeouts.size], [['a', 'c'], 0])
})

t.test('nobody is due before its time, also who came while others waited', async (t) => {
  const { due, told, comes } = list()
  const timeouts = new Timeouts<string>(20, told)
  timeouts.add('first')
  timeouts.delete('first')
  await new Promise((resolve) => { setTimeout(resolve, 10) })
  const began = performance.now()
  timeouts.add('second')
  await comes('second')
  t.ok(performance.now() - began >= 20)
  timeouts.add('third')
  await comes('third')
  t.same(due, ['second', 'third'])
})

t.test('its timer lets a process end', async (t) => {
  const file = new URL('../../../lib/storage/redis/timeouts.js', import.meta.url).href
  const child = spawnNode(['--input-type=module', '-e', `import { Timeouts } from '${file}'; new Timeouts(2 ** 30, () => {}).add(1)`], { stdio: 'ignore' })
  t.same(await once(child, 'exit'), [0, null])
})
