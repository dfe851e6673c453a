import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { SUBPROTOCOL } from '../../lib/protocol/version.js'
import { helloOffer, secret } from '../helpers/peer.js'
import type { PresencePage } from '../../types/presence.js'
import { Fleet, hear, Load, until, watch } from './fleet.js'

const ROOM = 'room/1'

/** Connects, is welcomed, and reads nothing any more: not even a close frame. */
async function openDeaf (url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, [SUBPROTOCOL, helloOffer({ type: 'hello', session: secret(), token: 'deaf' })])
  socket.on('error', () => {})
  await new Promise((resolve) => { socket.once('message', resolve) })
  socket.pause()
  return socket
}

async function restart (t: Test, fleet: Fleet, i: number): Promise<void> {
  const deaf = await openDeaf(fleet.node(i).url)
  const began = performance.now()
  const code = await fleet.node(i).close()
  const ms = performance.now() - began
  t.comment(`node ${i} ended within ${Math.round(ms)} ms`)
  t.equal(code, 0, 'it ends in order')
  t.ok(ms < 20_000, 'although one of its clients takes nothing')
  deaf.terminate()
  await fleet.restart(i)
}

t.test('nodes are restarted one after the other under load: clients move on, nobody flickers, nothing is lost, and each ends in time', async (t) => {
  const fleet = await Fleet.start(t, 3)
  const clients = Array.from({ length: 9 }, (_, i) => fleet.client(i, { clientId: `client-${i}`, userId: `user-${i % 4}` }))
  const heard = clients.map((client, i) => hear(client, ROOM, i % 2 === 0 ? 1 : 2))
  const watched = clients.slice(0, 3).map((client) => watch(client, ROOM))
  await Promise.all([...heard.map(({ ready }) => ready), ...clients.map((client, i) => client.channel(ROOM).enter({ i }))])
  await until(() => watched.every(({ joined }) => joined.length === clients.length), 'they see each other')
  const load = new Load()
  load.begin('host', (data) => fleet.publish(ROOM, data, data.replace(' ', '-'), Math.floor(Math.random() * 3)))
  clients.slice(0, 4).forEach((client, i) => load.begin(`client-${i}`, (data) => client.channel(ROOM).publish(data, { qos: i % 2 === 0 ? 1 : 2 })))

  // What any one of two is to handle.
  const handled: unknown[] = []
  const agents = [0, 1].map((i) => fleet.client(i, { clientId: `agent-${i}`, userId: 'agent' }))
  await Promise.all(agents.map((client) => client.inbox.any.subscribe(({ data }) => { handled.push(data) }, { qos: 2 }).ready))
  let jobs = 0
  const work = new Load()
  work.begin('job', async (data) => await fleet.send('agent', data, `job-${++jobs}`, jobs))

  for (const i of [0, 1, 2, 0]) {
    await restart(t, fleet, i)
    await until(() => clients.every(({ state }) => state === 'live'), 'all are on some node')
  }

  const sent = await work.end()
  await until(() => new Set(handled).size >= sent.length, 'all jobs are handled')
  t.same([...new Set(handled)], sent, 'in their order')
  t.comment(`${handled.length - sent.length} of ${sent.length} jobs were handled twice`)
  const published = await load.end()
  const log = await fleet.log(ROOM)
  t.same([...log].sort(), [...published].sort(), `each of ${published.length} messages is stored once`)
  await until(() => heard.every(({ data }) => data.length >= log.length), 'all have them all')
  heard.forEach(({ data, gaps }, i) => {
    t.same(data, log, `client ${i} has heard each once, in order`)
    t.same(gaps, [])
  })
  t.same(watched.flatMap(({ left }) => left), [], 'nobody was seen to leave')
  t.same(fleet.presences.filter(({ channel, cause }) => channel === ROOM && cause !== 'join'), [])
  for (const i of [0, 1, 2]) {
    t.match(await fleet.node(i).call<PresencePage>('presence', ROOM), { connections: 9, users: 4 })
    t.same(await fleet.node(i).call('online', ['user-0', 'user-1', 'user-2', 'user-3']), ['user-0', 'user-1', 'user-2', 'user-3'])
  }
  t.same(fleet.disconnects.filter(({ clientId, code }) => clientId.startsWith('client-') && code !== 'PUSH_GOING_AWAY' && code !== null), [], 'each was told to go on elsewhere')
})
