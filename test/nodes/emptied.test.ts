import t from 'tap'
import type { Client } from '../../lib/client/api.js'
import type { Gap } from '../../types/message.js'
import type { PresencePage } from '../../types/presence.js'
import { Fleet, hear, until, watch } from './fleet.js'

const ROOM = 'room/1'

t.jobs = 2 // they wait for a node's next renewal most of the time

for (const how of ['is killed and keeps nothing', 'is flushed'] as const) {
  t.test(`Redis ${how}: subscribers are told, and without a reconnect all goes on from there, members and sessions too`, { buffered: true }, async (t) => {
    const fleet = await Fleet.start(t, 2)
    const names = ['client-0', 'client-1', 'client-2', 'client-3']
    const clients = names.map((clientId, i) => fleet.client(i, { clientId, userId: `user-${i}` }))
    const heard = clients.map((client) => hear(client, ROOM))
    const watched = clients.map((client) => watch(client, ROOM))
    await Promise.all([...heard.map(({ ready }) => ready), ...clients.map((client) => client.channel(ROOM).enter({ is: 'here' }))])
    for (let n = 1; n <= 5; n++) await fleet.publish(ROOM, n, `n-${n}`, n)
    await until(() => heard.every(({ data }) => data.length === 5) && watched.every(({ joined }) => joined.length === 4), 'all is well')
    await until(async () => (await Promise.all(clients.map((client) => client.channel(ROOM).unread()))).every((count) => count === 0), 'all is acknowledged')

    if (how === 'is flushed') await fleet.admin.flushall()
    else {
      await fleet.redis.kill()
      await fleet.redis.start()
    }
    for (let n = 6; n <= 10; n++) await fleet.publish(ROOM, n, `n-${n}`, n)
    await until(() => heard.every(({ data }) => data.includes(10)), () => `all hear what is new: ${JSON.stringify(heard)}`)
    t.same(fleet.disconnects, [], 'no connection ended')
    for (const { data, gaps } of heard) {
      t.same(data, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      t.same((gaps as Gap[]).map(({ reason }) => reason), ['epoch'], 'each is told once')
    }

    const wait = performance.now()
    for (const i of [0, 1]) {
      await until(async () => (await fleet.node(i).call<PresencePage>('presence', ROOM)).members.length === 4, 'the members are known again')
      const { members, users } = await fleet.node(i).call<PresencePage>('presence', ROOM)
      t.same([members.map(({ clientId, data }) => [clientId, data]).sort(), users], [names.map((name) => [name, { is: 'here' }]), 4])
      await until(async () => (await fleet.node(i).call<string[]>('online', ['user-0', 'user-1', 'user-2', 'user-3'])).length === 4, 'all are online')
    }
    t.comment(`members known again after ${Math.round(performance.now() - wait)} ms; left told: ${watched.map(({ left }) => left.length).join(' ')}`)

    // Each goes to the other node, and misses nothing meanwhile.
    for (const client of clients) client.reconnect()
    for (let n = 11; n <= 15; n++) await fleet.publish(ROOM, n, `n-${n}`, n)
    await until(() => heard.every(({ data }) => data.includes(15)), 'they go on')
    heard.forEach(({ data, gaps }) => {
      t.same(data, Array.from({ length: 15 }, (_, i) => i + 1))
      t.equal(gaps.length, 1)
    })
    await until(async () => (await Promise.all(clients.map((client) => client.channel(ROOM).unread()))).every((count) => count === 0), 'their cursors are kept')
    // Everybody's own list agrees in the end.
    const present = watched.map(({ joined, left }) => names.filter((name) => joined.filter((each) => each === name).length - left.filter(({ clientId }) => clientId === name).length === 1))
    t.same(present, names.map(() => names))
  })
}

t.test('Redis comes back with an old snapshot: who has left since is a member for minutes at the most', { buffered: true }, async (t) => {
  const fleet = await Fleet.start(t, 2, {}, '--dbfilename', 'dump.rdb')
  const [stays, leaves, alone] = ['stays', 'leaves', 'alone'].map((name, i) => fleet.open(fleet.node(i >> 1).url, { clientId: name, token: name })) as [Client, Client, Client]
  const watched = watch(stays, ROOM)
  await Promise.all([stays, leaves].map((client) => client.channel(ROOM).enter()))
  const online = (): Promise<string[]> => fleet.node(0).call<string[]>('online', ['stays', 'leaves', 'alone'])
  await until(async () => (await online()).length === 3 && watched.joined.length === 2, 'all are there')
  await fleet.admin.call('SAVE')
  await Promise.all([leaves.close(), alone.close()])
  await until(async () => (await online()).length === 1 && watched.left.length === 1, 'two have left')

  await fleet.redis.kill()
  await fleet.redis.start()
  await until(async () => (await online().catch(() => [])).length === 3, 'they are members again')
  await until(async () => (await online()).join() === 'stays', 'their nodes let them leave', 60_000)
  await until(async () => (await fleet.node(1).call<PresencePage>('presence', ROOM)).connections === 1, 'in the room too', 60_000)
  t.match(await fleet.node(1).call<PresencePage>('presence', ROOM), { users: 1, members: [{ clientId: 'stays' }] })
  t.same(fleet.disconnects.map(({ clientId }) => clientId).sort(), ['alone', 'leaves'])
})
