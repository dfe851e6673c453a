import t from 'tap'
import { FaultyRoom } from './faulty-room.js'

// Real clients enter, leave and watch a room while the storage of their nodes loses requests, replies and announcements, is late, and is down; links are cut
// and nodes killed. At every quiet moment the list is what the clients wish, everybody's own list equals it, and whoever was told of no gap has heard every event once.

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))

t.test(`lists and events agree with what the clients wish, whatever the storage does: seeds from ${seed}`, async (t) => {
  let [faults, gapless, events] = [0, 0, 0]
  for (let i = 0; i < 8; i++) {
    const room = new FaultyRoom(seed + i)
    await room.run(3, 60)
    t.same(room.wrong.slice(0, 5), [], `seed ${seed + i}`)
    faults += room.faults
    gapless += room.gapless
    events += room.events.length
  }
  t.comment(`${events} events, ${faults} faults, ${gapless} of 80 heard of no gap`)
  t.ok(faults > 200 && gapless > 0 && events > 300)
})

t.test('it is seen if late writes are not fenced', async (t) => {
  const wrong: string[] = []
  for (let i = 1; i <= 8 && wrong.length === 0; i++) {
    const room = new FaultyRoom(i, false)
    await room.run(3, 60)
    wrong.push(...room.wrong)
  }
  t.not(wrong.length, 0)
})
