import t from 'tap'
import { nodePlatform } from '../../lib/client/platform/node.js'
import type { PresencePage } from '../../types/presence.js'
import type { PushStats } from '../../types/push.js'
import { TcpProxy } from '../helpers/tcp-proxy.js'
import { Fleet, hear, ROOMS, until, watch } from './fleet.js'

// What lasts longer than the lease of a node: it is stopped (as a virtual machine that is moved), cut off from Redis, or Redis itself is away. Leases run for half a minute, so
// these tests do so side by side: they wait most of the time.

const ROOM = 'room/1'
/** Longer than a lease runs, and than another node needs to notice. */
const LEASE = 60_000

t.jobs = 3

t.test('a node that was stopped for longer than its lease overwrites nothing, fights for no session, and lets go of sockets whose clients have left', { buffered: true }, async (t) => {
  const fleet = await Fleet.start(t, 2, { push: { channels: ROOMS, heartbeat: { interval: 1000, timeout: 1000 }, limits: { silence: '3s' } } })
  const network = await TcpProxy.start(fleet.node(0).port)
  t.teardown(() => network.close())
  const watched = watch(fleet.open(fleet.node(1).url, { clientId: 'watch', token: 'watcher' }), ROOM)
  const mover = fleet.client(0, { clientId: 'mover', userId: 'mover' })
  const quitter = fleet.open(fleet.node(0).url, { clientId: 'quitter', token: 'quitter' })
  const vanished = fleet.open(`ws://127.0.0.1:${network.port}/push`, { clientId: 'vanished', token: 'vanished' })
  const heard = hear(mover, ROOM)
  await heard.ready
  await Promise.all([mover, quitter, vanished].map((client) => client.channel(ROOM).enter({ on: 'first' })))
  await until(() => watched.joined.length === 3, 'all are there')
  let ended = 0
  mover.on('state', (state) => { if (state === 'closed') ended++ })

  fleet.node(0).signal('SIGSTOP')
  // One goes on elsewhere, one ends without a word, of one nobody hears anything more.
  network.stall('up')
  network.stall('down')
  await quitter.close({ timeout: 0 })
  await fleet.publish(ROOM, 1, 'one', 1)
  await until(() => mover.state === 'live' && heard.data.length === 1, 'its client has noticed and is on the other node')
  await mover.channel(ROOM).enter({ on: 'second' })
  await until(() => ['quitter', 'vanished'].every((name) => watched.left.some(({ clientId }) => clientId === name)), 'the others are let go', LEASE)
  t.same(watched.left.map(({ clientId }) => clientId).sort(), ['quitter', 'vanished'])
  const expected = { connections: 1, members: [{ clientId: 'mover', data: { on: 'second' } }] }
  t.match(await fleet.node(1).call<PresencePage>('presence', ROOM), expected)

  fleet.node(0).signal('SIGCONT')
  await fleet.publish(ROOM, 2, 'two')
  await until(async () => (await fleet.node(0).call<PushStats>('stats')).connections === 0, 'the sockets are gone')
  t.same(fleet.disconnects.filter(({ node, clientId }) => node === 0 && clientId === 'mover').map(({ code }) => code), ['PUSH_SUPERSEDED'])
  await fleet.publish(ROOM, 3, 'three')
  await until(() => heard.data.length === 3, 'all goes on')
  t.same(heard.data, [1, 2, 3])
  t.equal(mover.state, 'live')
  t.equal(ended, 0, 'its session is its own')
  // Whoever vanished without a word came back with the node, if at all, and goes with its socket.
  await until(async () => (await fleet.node(0).call<PresencePage>('presence', ROOM)).connections === 1, 'who is not there is no member', LEASE)
  for (const i of [0, 1]) t.match(await fleet.node(i).call<PresencePage>('presence', ROOM), expected)
  t.same(watched.left.filter(({ clientId }) => clientId === 'mover'), [], 'the one that moved never left')
  t.comment(JSON.stringify(fleet.presences.filter(({ channel }) => channel === ROOM)))
  t.same(await fleet.node(0).call('online', ['mover', 'quitter', 'vanished']), ['mover'])
})

t.test('a node is cut off from Redis for longer than its lease: its clients stay and go on afterwards, and what it writes late overwrites nothing', { buffered: true }, async (t) => {
  const fleet = await Fleet.start(t, 2, { push: { channels: ROOMS, presence: { grace: '2s' } } })
  const link = await TcpProxy.start(fleet.redis.port)
  t.teardown(() => link.close())
  await fleet.node(0).kill()
  await fleet.restart(0, { redis: { port: link.port } })
  const [here, there] = [fleet.node(0), fleet.node(1)]
  const watched = watch(fleet.open(there.url, { clientId: 'watch', token: 'watcher' }), ROOM)
  let url = here.url
  const platform = nodePlatform()
  const open = (name: string, more = {}) => fleet.open(here.url, { clientId: name, token: name, ...more })
  const [stays, quits] = [open('stays'), open('quits')]
  const moves = open('moves', { platform: { ...platform, connect: (_url: string, ...rest: [readonly string[], never]) => platform.connect(url, ...rest) } })
  const [heard, moved] = [hear(stays, ROOM), hear(moves, ROOM)]
  await Promise.all([heard.ready, moved.ready, ...[stays, quits, moves].map((client) => client.channel(ROOM).enter({ on: 'first' }))])
  await fleet.publish(ROOM, 1, 'one')
  await until(() => watched.joined.length === 3 && heard.data.length === 1 && moved.data.length === 1, 'all is well')

  link.stall('up')
  link.stall('down')
  const late = stays.channel(ROOM).publish('late')
  quits.close({ timeout: 0 }).catch(() => {})
  url = there.url
  moves.reconnect()
  await until(() => moves.state === 'live', 'one of its clients goes elsewhere')
  await moves.channel(ROOM).enter({ on: 'second' })
  await there.call('publish', ROOM, 2)
  await until(() => moved.data.length === 2, 'and goes on there')
  await until(() => ['stays', 'quits'].every((name) => watched.left.some(({ clientId }) => clientId === name)), 'the others are let go', LEASE)
  t.equal(stays.state, 'live')
  t.same(heard.data, [1])

  link.resume()
  await late
  await until(() => heard.data.length === 3 && moved.data.length === 3, 'it catches up')
  t.same([heard.data, moved.data], [[1, 2, 'late'], [1, 2, 'late']])
  const expected = [['moves', { on: 'second' }], ['stays', { on: 'first' }]]
  for (const node of [here, there]) {
    await until(async () => {
      const { members } = await node.call<PresencePage>('presence', ROOM)
      return JSON.stringify(members.map(({ clientId, data }) => [clientId, data]).sort()) === JSON.stringify(expected)
    }, 'the members are those who are there')
    t.same((await node.call<string[]>('online', ['stays', 'moves', 'quits'])).sort(), ['moves', 'stays'])
  }
  t.same(watched.left.map(({ clientId }) => clientId).sort(), ['quits', 'stays'])
  t.same(watched.joined.filter((name) => name === 'stays').length, 2, 'it was seen to come back')
  t.same([stays.state, moves.state], ['live', 'live'])
  await new Promise((resolve) => { setTimeout(resolve, 5000) }) // every grace that might still run has run out
  t.match(await there.call<PresencePage>('presence', ROOM), { connections: 2, users: 2 })
  t.equal(watched.left.length, 2)
  t.equal((await fleet.log(ROOM)).length, 3)
})

t.test('Redis is away for longer than leases run: when it is back nobody has left, on whichever node they are', { buffered: true }, async (t) => {
  const fleet = await Fleet.start(t, 3, {}, '--appendonly', 'yes', '--appendfsync', 'always')
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
