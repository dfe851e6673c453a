import { mock } from 'node:test'
import t from 'tap'
import { RedisCursors } from '../../../lib/storage/redis/cursors.js'
import { Keys } from '../../../lib/storage/redis/keys.js'
import type { Operations } from '../../../lib/storage/redis/operations.js'

const turn = () => new Promise((resolve) => { setImmediate(resolve) })

t.test('commits go at once after a rest, and then gather for a while', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  let asked = 0
  const operations = { write: async () => { asked++; return [0] } } as unknown as Operations
  const cursors = new RedisCursors(new Keys('push'), operations)
  const commit = (i: number) => cursors.commit(`room/${i}`, [{ session: 's', generation: 1, number: 1, position: { epoch: 'e', offset: 1 }, ttl: 1000 }])
  t.same(await commit(0), ['committed'])
  const others = []
  for (let i = 1; i <= 20; i++) {
    others.push(commit(i))
    await turn()
  }
  t.equal(asked, 1)
  mock.timers.tick(4)
  await turn()
  t.equal(asked, 1)
  mock.timers.tick(1)
  t.same((await Promise.all(others)).flat().length, 20)
  t.equal(asked, 21)
  const next = commit(0)
  await turn()
  t.equal(asked, 21, 'others have just gone')
  mock.timers.tick(5)
  t.same(await next, ['committed'])
  mock.timers.tick(5)
  t.same(await commit(0), ['committed'], 'after a rest')
  t.equal(asked, 23)
})
