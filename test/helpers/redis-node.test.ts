import t from 'tap'
import { RedisServer } from './redis.js'
import { RedisNode } from './redis-node.js'

t.test('a node of the tests: asked, stopped, killed, and ended in order', async (t) => {
  const redis = await RedisServer.start()
  t.teardown(() => redis.stop())
  const setup = { redis: { port: redis.port }, push: { channels: { 'room/:id': { history: true } } } }
  const [one, other] = await Promise.all([RedisNode.start(setup), RedisNode.start(setup)])
  t.teardown(() => Promise.all([one.kill(), other.kill()]))
  t.match(await one.call('publish', 'room/1', 'hello'), { position: { offset: 1 } })
  t.match(await other.call('history', 'room/1'), { messages: [{ data: 'hello' }] }, 'the other one reads it')
  await t.rejects(one.call('publish', 'nowhere', 'hello'), { code: 'PUSH_CHANNEL_UNKNOWN' })
  other.signal('SIGSTOP')
  const asked = other.call('stats')
  await other.kill()
  await t.rejects(asked, { message: 'the node ended' })
  await t.rejects(other.call('stats'), { message: 'the node ended' }, 'also what is asked later')
  t.equal(await one.close(), 0)
})
