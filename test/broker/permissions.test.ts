import t from 'tap'
import { Channels } from '../../lib/broker/channels.js'
import { Permissions } from '../../lib/broker/permissions.js'
import { PushError } from '../../lib/core/errors.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { Authorize, ChannelOptions } from '../../types/options.js'

const client = { clientId: 'phone', userId: 'alice', claims: { admin: false } }

function make (authorize: Authorize | undefined, options: ChannelOptions = { history: true, clientPublish: true }) {
  const clock = new ManualClock()
  const errors: unknown[] = []
  const channels = new Channels(1000, { limit: 1000, bytes: 1024 * 1024, ttl: 1000 }, { online: true, grace: 15_000 })
  channels.declare('room/:id', options)
  const permissions = new Permissions(authorize, clock, 100, (error) => { errors.push(error) })
  const check = async (action: 'subscribe' | 'publish' | 'history') => permissions.check(action, channels.find('room/1'), client)
  return { check, clock, errors }
}

t.test('without a hook the rules of the channel decide', async (t) => {
  const open = make(undefined)
  for (const action of ['subscribe', 'publish', 'history'] as const) await open.check(action)
  const shut = make(undefined, {})
  await shut.check('subscribe')
  await t.rejects(shut.check('publish'), { code: 'PUSH_FORBIDDEN' })
  await t.rejects(shut.check('history'), { code: 'PUSH_NO_HISTORY' })
})

t.test('a hook is told who wants what', async (t) => {
  const asked: unknown[] = []
  await make((request) => { asked.push(request); return true }).check('publish')
  t.same(asked, [{ action: 'publish', channel: 'room/1', params: { id: '1' }, client }])
})

t.test('anything but true is no', async (t) => {
  for (const answer of [false, undefined, null, 1, 'yes', {}]) {
    await t.rejects(make(() => answer as boolean).check('subscribe'), { code: 'PUSH_FORBIDDEN' })
    await t.rejects(make(async () => answer as boolean).check('subscribe'), { code: 'PUSH_FORBIDDEN' })
  }
  await make(() => true).check('subscribe')
  await make(async () => true).check('subscribe')
})

t.test('a throw denies and is reported; its own code is kept, and one with a status of the request is a no', async (t) => {
  const { check, errors } = make(() => { throw new Error('bug') })
  await t.rejects(check('subscribe'), { code: 'PUSH_UNAVAILABLE' })
  const plain = make(() => { throw Object.assign(new Error('no'), { statusCode: 403 }) })
  await t.rejects(plain.check('subscribe'), { code: 'PUSH_FORBIDDEN' })
  t.same(plain.errors, [], 'a no is no error')
  t.match(errors, [{ message: 'bug' }])
  await t.rejects(make(() => Promise.reject(new Error('later'))).check('subscribe'), { code: 'PUSH_UNAVAILABLE' })
  await t.rejects(make(() => { throw new PushError('PUSH_BUSY') }).check('subscribe'), { code: 'PUSH_BUSY' })
})

t.test('no answer in time denies, and leaves no timer', async (t) => {
  const { check, clock } = make(() => new Promise(() => {}))
  const denied = t.rejects(check('subscribe'), { code: 'PUSH_UNAVAILABLE' })
  await clock.advanceAsync(100)
  await denied
  t.equal(clock.pending, 0)
  const late = make(() => new Promise((_resolve, reject) => { setImmediate(() => reject(new Error('late'))) }))
  const refused = t.rejects(late.check('subscribe'), { code: 'PUSH_UNAVAILABLE' })
  late.clock.advance(100)
  await refused
  await new Promise((resolve) => { setImmediate(resolve) })
  const answered = make(() => true)
  await answered.check('subscribe')
  await new Promise((resolve) => { setImmediate(resolve) })
  t.equal(answered.clock.pending, 0)
})

t.test('the plugin’s and the channel’s: both must say yes', async (t) => {
  for (const [one, two, allowed] of [[true, true, true], [true, false, false], [false, true, false]] as const) {
    const { check } = make(() => one, { authorize: () => two })
    if (allowed) await check('subscribe')
    else await t.rejects(check('subscribe'), { code: 'PUSH_FORBIDDEN' })
  }
})
