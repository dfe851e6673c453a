import t from 'tap'
import { World } from './world.js'

// Clients of one user come, go, reconnect elsewhere and acknowledge late; nodes stop and go on, or are killed; the store forgets a lease. Nobody is ever
// sent anything out of its turn, every message is handled, and none that was acknowledged by a node that ran is handled again.

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))

t.test(`one reader at a time: seeds from ${seed}`, async (t) => {
  let [turns, twice, handled] = [0, 0, 0]
  for (let i = 0; i < 15; i++) {
    const world = await new World(seed + i, 2 + i % 4).run(300)
    t.same(world.wrong.slice(0, 5), [], `seed ${seed + i}`)
    turns += world.turns
    twice += world.twice
    handled += world.handled.size
  }
  t.comment(`${turns} turns; of ${handled} messages ${twice} were handled twice, unacknowledged`)
  t.ok(turns > 100 && handled > 300)
})

t.test('it is seen if something is missing', async (t) => {
  for (const off of ['fencing', 'clock'] as const) {
    let wrong = 0
    for (let seed = 1; seed <= 40 && wrong === 0; seed++) wrong += (await new World(seed, 4, off).run(300)).wrong.length
    t.not(wrong, 0, off)
  }
})
