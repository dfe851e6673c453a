import t from 'tap'
import type { PresencePage } from '../../types/presence.js'
import type { PushStats } from '../../types/push.js'
import { TcpProxy } from '../helpers/tcp-proxy.js'
import { Fleet, hear, ROOMS, until, watch } from './fleet.js'

const ROOM = 'room/1'
/** Longer than a lease runs, and than another node needs to notice. */
const LEASE = 60_000

// A process that is stopped, as by a virtual machine that is moved: for longer than its lease, and than its clients wait.

t.test('a node that was stopped for longer than its lease overwrites nothing, fights for no session, and lets go of sockets whose clients have left', async (t) => {
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
