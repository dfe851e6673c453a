import t from 'tap'
import type { PresencePage } from '../../types/presence.js'
import { Fleet, until, watch } from './fleet.js'

const ROOM = 'room/1'

t.test('Redis is away for longer than leases run: when it is back nobody has left, on whichever node they are', async (t) => {
  const fleet = await Fleet.start(t, 3, {}, '--appendonly', 'yes')
  const clients = Array.from({ length: 6 }, (_, i) => fleet.open(fleet.node(i % 3).url, { clientId: `client-${i}`, token: `user-${i}` }))
  const watched = clients.map((client) => watch(client, ROOM))
  await Promise.all(clients.map((client) => client.channel(ROOM).enter()))
  await until(() => watched.every(({ joined }) => joined.length === clients.length), 'they see each other')
  const names = clients.map((_, i) => `user-${i}`)

  await fleet.redis.kill()
  await new Promise((resolve) => { setTimeout(resolve, 36_000) }) // longer than a lease, whenever it was renewed
  await fleet.redis.start()
  for (const node of fleet.nodes) await until(async () => (await node.call<{ ok: boolean }>('health')).ok, 'it is well again')
  const backAt = performance.now()
  do {
    for (const node of fleet.nodes) {
      t.match(await node.call<PresencePage>('presence', ROOM), { connections: 6, users: 6 }, `all are there ${Math.round(performance.now() - backAt)} ms after`)
      t.same(await node.call('online', names), names)
    }
    await new Promise((resolve) => { setTimeout(resolve, 1000) })
  } while (performance.now() - backAt < 15_000) // every node has renewed its lease, and looks after others from then on
  t.same(watched.flatMap(({ left }) => left), [], 'nobody was seen to leave')
  t.same(fleet.presences.filter(({ cause }) => cause !== 'join'), [], 'no hook was told so')
  t.same(fleet.disconnects, [])
})
