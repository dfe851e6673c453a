import t from 'tap'
import { Admission, heapUsed } from '../../lib/connection/admission.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'

const LIMITS = { connections: 1000, connectionsPerIp: 1000, connectionsPerUser: 1000, heapUsed: 0.9 }

t.test('the heap is looked at ten times a second at the most', async (t) => {
  const clock = new ManualClock()
  let looks = 0
  let used = 0.95
  const admission = new Admission(LIMITS, clock, () => { looks++; return used })
  for (let i = 0; i < 100; i++) t.equal(admission.atDoor('::1'), 'heapUsed')
  t.equal(looks, 1)
  used = 0.5
  clock.advance(99)
  t.equal(admission.strained, true)
  clock.advance(1)
  t.equal(admission.strained, false)
  t.equal(looks, 2)
})

t.test('1 never refuses', async (t) => {
  t.equal(new Admission({ ...LIMITS, heapUsed: 1 }, new ManualClock(), () => 2).strained, false)
  t.ok(heapUsed() > 0 && heapUsed() < 1)
})

t.test('all that is counted is let go of', async (t) => {
  const admission = new Admission({ ...LIMITS, connections: 3 }, new ManualClock(), () => 0)
  const first = admission.enter('a')
  const entries = [first, ...['b', undefined].map((ip) => admission.enter(ip))]
  t.same(entries.map(({ limit }) => limit), [null, null, null])
  t.equal(admission.enterUser(first.entry, 'alice', false), true)
  t.equal(admission.size, 3)
  t.equal(admission.atDoor('c'), 'connections')
  const late = admission.enter('c')
  t.equal(late.limit, 'connections')
  t.equal(admission.refuse(late.entry), true)
  t.equal(admission.size, 3, 'what is refused is not counted against its address')
  for (const { entry } of [...entries, late]) admission.leave(entry)
  t.equal(admission.size, 0)
  t.equal(admission.atDoor('c'), null)
})

t.test('so many of one address are told why; the others are turned away at the door', async (t) => {
  const admission = new Admission({ ...LIMITS, connectionsPerIp: 1 }, new ManualClock(), () => 0)
  admission.enter('a')
  const refused = Array.from({ length: 100 }, () => admission.enter('a'))
  for (const { entry, limit } of refused) {
    t.equal(limit, 'connectionsPerIp')
    t.equal(admission.atDoor('a'), null)
    t.equal(admission.refuse(entry), true)
  }
  t.equal(admission.atDoor('a'), 'connectionsPerIp')
  t.equal(admission.atDoor('b'), null, 'nobody else is concerned')
  const slipped = admission.enter('a') // it was past the door already
  t.equal(admission.refuse(slipped.entry), false, 'dropped without a word')
  admission.leave(slipped.entry)
  admission.leave((refused[0] as typeof slipped).entry)
  t.equal(admission.atDoor('a'), null)
})
