import t from 'tap'
import { Roster } from '../../lib/client/roster.js'
import { World, type Switch } from './world.js'

// Clients join, flap and vanish, a node is killed, and watchers with the real client lose their connections. At every quiet moment each watcher's list is
// the truth; whoever has missed nothing has heard of every change once; and nobody heard of those who came back within their grace.

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))

async function wrongIn (seed: number, people: number, off: Switch | null = null): Promise<string[]> {
  const world = new World(seed, people, off)
  await world.run(3, 40)
  return world.wrong
}

t.test(`500 clients and 5 watchers: seed ${seed}`, async (t) => {
  const world = new World(seed, 500)
  await world.run(4, 60)
  t.same(world.wrong.slice(0, 10), [])
  const { events, gaps } = world.seen
  t.comment(`${events} events heard; ${gaps} of 5 watchers read the list again`)
  t.ok(events > 500)
  t.ok(world.gaplessAtFirst > 0, 'or nobody would have been held to every change')
})

t.test(`smaller rooms, many seeds from ${seed}`, async (t) => {
  let [gaps, gapless] = [0, 0]
  for (let i = 0; i < 12; i++) {
    const world = new World(seed + i, 25)
    await world.run(3, 40)
    t.same(world.wrong.slice(0, 5), [], `seed ${seed + i}`)
    gaps += world.seen.gaps
    gapless += world.seen.gapless
  }
  t.ok(gaps > 0 && gapless > 0, 'some watchers had gaps, some had none')
})

t.test('it is seen if something is missing', async (t) => {
  for (const off of ['grace', 'fencing'] as const) t.not((await wrongIn(7, 40, off)).length, 0, off)
  const { begin } = Roster.prototype
  Roster.prototype.begin = function () { if (!this.complete) begin.call(this) }
  try {
    const wrong = await wrongIn(7, 40)
    t.not(wrong.length, 0, 'the reading after a gap')
  } finally {
    Roster.prototype.begin = begin
  }
  t.same(await wrongIn(7, 40), [], 'and nothing with all of it')
})
