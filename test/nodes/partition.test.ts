import t from 'tap'
import type { PresencePage } from '../../types/presence.js'
import { nodePlatform } from '../../lib/client/platform/node.js'
import { TcpProxy } from '../helpers/tcp-proxy.js'
import { Fleet, hear, ROOMS, until, watch } from './fleet.js'

const ROOM = 'room/1'

t.test('a node is cut off from Redis for longer than its lease: its clients stay and go on afterwards, and what it writes late overwrites nothing', async (t) => {
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
  await until(() => ['stays', 'quits'].every((name) => watched.left.some(({ clientId }) => clientId === name)), 'the others are let go', 60_000)
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
