import { Redis } from 'ioredis'
import t from 'tap'
import { redisStorage } from '../../../lib/storage/redis/index.js'
import { interruption } from '../../../lib/testkit/conformance/interruption.js'
import { makeKit } from '../../../lib/testkit/conformance/kit.js'
import { RedisServer } from '../../helpers/redis.js'

// What the contract promises where announcements may be lost. On a server of its own: it is all who listen that are cut off.

const server = await RedisServer.start()
t.teardown(() => server.stop())
const client = new Redis({ port: server.port })
t.teardown(() => client.disconnect())
let created = 0

interruption(makeKit({
  test: (name, body) => t.test(name, body),
  create: () => redisStorage({ client, prefix: `push-${created++}`, timeout: '20s' }),
  interrupt: async () => { t.ok(await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'), 'who listened was cut off') },
  patience: 20_000
}))
