import t from 'tap'
import { Expiry, type Deadline } from '../../lib/connection/expiry.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { Random } from '../model/random.js'

/** A clock whose wall clock can be set anew. */
class SettableClock extends ManualClock {
  shift = 0

  override timestamp (): number {
    return super.timestamp() + this.shift
  }
}

function make () {
  const clock = new SettableClock(0)
  const expiry = new Expiry(clock, () => clock.timestamp())
  const expired: [string, number][] = []
  const add = (at: number, name = String(at)) => expiry.add(at, { expire: () => { expired.push([name, clock.timestamp()]) } })
  return { clock, expiry, expired, add }
}

t.test('each at its time, with one timer', async (t) => {
  const { clock, expiry, expired, add } = make()
  for (const at of [300, 100, 200, 100.5]) add(at)
  t.equal(clock.pending, 1)
  clock.advance(99)
  t.same(expired, [])
  clock.advance(1000)
  t.same(expired, [['100', 100], ['100.5', 101], ['200', 200], ['300', 300]], 'never before its time')
  t.equal(clock.pending, 0, 'no timer without anything to wait for')
  t.equal(expiry.size, 0)
})

t.test('what was removed does not expire', async (t) => {
  const { clock, expiry, expired, add } = make()
  const first = add(100)
  add(200)
  expiry.remove(first)
  expiry.remove(first)
  clock.advance(1000)
  t.same(expired.map(([name]) => name), ['200'])
  expiry.remove(add(3000))
  t.equal(clock.pending, 0)
})

t.test('one that expires may add and remove others', async (t) => {
  const { clock, expiry, expired, add } = make()
  const third = add(300)
  expiry.add(100, { expire: () => { expiry.remove(third); add(150); add(100, 'again') } })
  clock.advance(1000)
  t.same(expired, [['again', 100], ['150', 150]])
})

t.test('a wall clock that is set forward is seen within 30 s, one that is set back too', async (t) => {
  const { clock, expired, add } = make()
  add(3_600_000)
  clock.advance(1000)
  clock.shift = 3_600_000
  clock.advance(30_000)
  t.equal(expired.length, 1)
  add(clock.timestamp() + 60_000, 'later')
  clock.shift = 0
  clock.advance(3_600_000)
  t.equal(expired.length, 1, 'it is not that late yet')
  clock.advance(90_000)
  t.equal(expired.length, 2)
})

t.test('whoever looks does not wait for the timer', async (t) => {
  const { clock, expiry, expired, add } = make()
  add(1000)
  clock.shift = 1000
  expiry.look()
  t.same(expired, [['1000', 1000]])
  expiry.look()
  t.equal(expired.length, 1)
})

t.test('in order, whatever is added and removed', async (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.comment(`SEED=${seed}`)
  const chance = new Random(seed)
  const random = () => chance.next()
  for (let round = 0; round < 200; round++) {
    const { clock, expiry, expired, add } = make()
    const waiting = new Map<string, Deadline>()
    for (let i = 0; i < 60; i++) {
      if (random() < 0.7) waiting.set(`${i}`, add(Math.floor(random() * 50_000), `${i}`))
      const names = [...waiting.keys()]
      const name = names[Math.floor(random() * names.length)]
      if (random() < 0.3 && name !== undefined) {
        expiry.remove(waiting.get(name) as Deadline)
        waiting.delete(name)
      }
    }
    const wanted = [...waiting].sort(([, a], [, b]) => a.at - b.at).map(([, { at }]) => at)
    const ats = new Map([...waiting].map(([name, { at }]) => [name, at]))
    clock.advance(50_000)
    if (JSON.stringify(expired.map(([name]) => ats.get(name))) !== JSON.stringify(wanted)) t.fail(`round ${round}`)
    if (expired.some(([name, when]) => when < (ats.get(name) as number))) t.fail(`too early in round ${round}`)
  }
})
