import t from 'tap'
import { Lease } from '../../lib/broker/lease.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { Orphan, PresenceStore } from '../../types/presence-store.js'

const orphanOf = (key: string, node = 'gone'): Orphan => ({ channel: 'room', member: { key, node, generation: 1, number: 1, user: null, body: new Uint8Array(0) } })

/** A lease on a store of which the test owns the answers. */
function make (orphan: (orphan: Orphan) => Promise<boolean>) {
  const clock = new ManualClock()
  const orphans = new Set<Orphan>()
  const errors: unknown[] = []
  const did: string[] = []
  const control = {
    lives: true,
    lapsed: async () => {},
    renew: async (ttl: number) => {
      did.push(`renew ${ttl}`)
      return control.lives
    }
  }
  const store = {
    renew: (_: string, ttl: number) => control.renew(ttl),
    orphans: async (limit: number) => { did.push('look'); return [...orphans].slice(0, limit) }
  } as Partial<PresenceStore> as PresenceStore
  const lease = new Lease({
    store,
    clock,
    node: 'me',
    sweeps: true,
    onError: (error) => { errors.push(error) },
    isNeeded: () => true,
    lapsed: () => { did.push('lapsed'); return control.lapsed() },
    visit: async () => { did.push('visit') },
    orphan
  })
  lease.open()
  return { lease, clock, orphans, errors, did, control }
}

t.test('is renewed in time, whatever there is to clean up, and however long it may run', async (t) => {
  const { lease, clock, orphans, did } = make(() => new Promise(() => {}))
  orphans.add(orphanOf('a'))
  await lease.hold(3600_000)
  await clock.advanceAsync(40_000)
  t.same(did, ['renew 7200000', 'renew 7200000', 'visit', 'look', 'renew 7200000', 'renew 7200000', 'renew 7200000'], 'and one visit is enough')
  lease.close()
  t.equal(clock.pending, 0)
})

t.test('is renewed while all is entered anew, which is tried again if it fails', async (t) => {
  const { lease, clock, did, control, errors } = make(async () => true)
  await lease.hold(1)
  control.lives = false
  let fail: (error: Error) => void = () => {}
  control.lapsed = () => new Promise((_resolve, reject) => { fail = reject })
  await clock.advanceAsync(10_000)
  control.lives = true
  await clock.advanceAsync(10_000)
  t.same(did.splice(0), ['renew 30000', 'renew 30000', 'lapsed', 'renew 30000'])
  fail(new Error('no'))
  control.lapsed = async () => {}
  await clock.advanceAsync(20_000)
  t.same(did, ['visit', 'renew 30000', 'lapsed', 'visit', 'look', 'renew 30000', 'visit', 'look'])
  t.match(errors, [{ message: 'no' }])
  lease.close()
})

t.test('lets orphans go until the next renewal; the own ones are left alone', async (t) => {
  const seen: string[] = []
  const { lease, clock, orphans } = make(async (orphan) => {
    orphans.delete(orphan)
    seen.push(orphan.member.key)
    if (seen.length % 100 === 0) clock.advance(1000)
    return true
  })
  for (let i = 0; i < 5000; i++) orphans.add(orphanOf(`k${i}`))
  orphans.add(orphanOf('mine', 'me'))
  await lease.hold(1)
  clock.advance(10_000)
  for (let i = 0; i < 200 && seen.length < 5000; i++) await clock.advanceAsync(0)
  t.ok(seen.length >= 1000 && seen.length < 2000, String(seen.length))
  for (let i = 0; i < 10; i++) await clock.advanceAsync(10_000)
  t.equal(seen.length, 5000)
  t.same([...orphans].map(({ member }) => member.key), ['mine'])
  lease.close()
})

t.test('after a renewal that failed or came too late nobody is let go until the others have had time for theirs', async (t) => {
  const seen: number[] = []
  const { lease, clock, orphans, control } = make(async (orphan) => {
    orphans.delete(orphan)
    seen.push(clock.now() - began)
    return true
  })
  const began = clock.now()
  const { renew } = control
  await lease.hold(1)
  control.renew = async () => { throw new Error('away') }
  await clock.advanceAsync(15_500)
  control.renew = renew
  orphans.add(orphanOf('of another'))
  await clock.advanceAsync(30_000)
  t.same(seen.splice(0), [36_000], 'the one at 16 s was the first that went through')
  control.lives = false
  await clock.advanceAsync(10_000) // at 46 s
  control.lives = true
  orphans.add(orphanOf('of yet another'))
  await clock.advanceAsync(30_000)
  t.same(seen, [66_000])
  lease.close()
})

t.test('a store that lists who is not there is asked once a visit', async (t) => {
  const { lease, clock, orphans, did } = make(async () => false)
  for (let i = 0; i < 1000; i++) orphans.add(orphanOf(`k${i}`))
  await lease.hold(1)
  await clock.advanceAsync(10_000)
  t.same(did, ['renew 30000', 'renew 30000', 'visit', 'look'])
  lease.close()
})

t.test('an orphan that cannot leave now keeps no other from leaving', async (t) => {
  const { lease, clock, orphans, errors } = make(async (orphan) => {
    if (orphan.member.key === 'bad') throw new Error('its channel is away')
    orphans.delete(orphan)
    return true
  })
  for (const key of ['a', 'bad', 'b', 'c']) orphans.add(orphanOf(key))
  await lease.hold(1)
  await clock.advanceAsync(10_000)
  t.same([...orphans].map(({ member }) => member.key), ['bad'])
  t.match(errors[0], { message: 'its channel is away' })
  lease.close()
})
