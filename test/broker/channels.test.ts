import t from 'tap'
import { Channels } from '../../lib/broker/channels.js'
import type { ChannelOptions } from '../../types/options.js'

const MIB = 1024 * 1024

t.test('defaults', async (t) => {
  const channels = new Channels(120_000, { limit: 1000, bytes: 1024 * 1024, ttl: 1000 }, { online: true, grace: 15_000 })
  channels.declare('plain')
  channels.declare('kept', { history: true })
  channels.declare('exact/:id', { history: { limit: 5, ttl: '1h', bytes: 10 }, qos: 2, clientPublish: true })
  t.match(channels.find('plain'), { name: 'plain', rules: { history: false, retention: { limit: 1000, bytes: 16 * MIB, ttl: 120_000 }, qos: 1, clientPublish: false } })
  t.match(channels.find('kept'), { rules: { history: true, retention: { limit: 1000, bytes: 16 * MIB, ttl: 7 * 86_400_000 } } })
  t.match(channels.find('exact/7'), { params: { id: '7' }, rules: { pattern: 'exact/:id', retention: { limit: 5, bytes: 10, ttl: 3_600_000 }, qos: 2, clientPublish: true } })
})

t.test('the most specific pattern wins; what was not declared does not exist', async (t) => {
  const channels = new Channels(1000, { limit: 1000, bytes: 1024 * 1024, ttl: 1000 }, { online: true, grace: 15_000 })
  for (const pattern of ['a/*', 'a/:x', 'a/b', 'a/:x/c']) channels.declare(pattern)
  for (const [name, pattern] of [['a/b', 'a/b'], ['a/z', 'a/:x'], ['a/z/c', 'a/:x/c'], ['a/z/d', 'a/*']] as const) t.equal(channels.find(name).rules.pattern, pattern)
  for (const name of ['a', 'b', 'constructor']) t.throws(() => channels.find(name), { code: 'PUSH_CHANNEL_UNKNOWN' })
  for (const name of ['', '__proto__', 'a//b', 'a/*']) t.throws(() => channels.find(name), { code: 'PUSH_CHANNEL_INVALID' })
})

t.test('wrong declarations change nothing', async (t) => {
  const channels = new Channels(1000, { limit: 1000, bytes: 1024 * 1024, ttl: 1000 }, { online: true, grace: 15_000 })
  for (const options of [null, 1, { qos: 5 }, { history: 3 }, { history: null }, { clientPublish: 'no' }, { authorize: 1 }, { history: { ttl: 'x' } }]) {
    t.throws(() => channels.declare('x', options as ChannelOptions), { code: 'PUSH_OPTIONS', message: /'x'/ })
  }
  channels.declare('x')
  t.throws(() => channels.declare('x'), { code: 'PUSH_CHANNEL_AMBIGUOUS' })
  t.throws(() => channels.declare('x/:1'), { code: 'PUSH_CHANNEL_INVALID' })
})
