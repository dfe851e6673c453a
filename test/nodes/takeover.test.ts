import t, { type Test } from 'tap'
import type { ClientState } from '../../lib/client/states.js'
import type { PresencePage } from '../../types/presence.js'
import type { PushStats } from '../../types/push.js'
import { nodePlatform } from '../../lib/client/platform/node.js'
import { TcpProxy } from '../helpers/tcp-proxy.js'
import { Fleet, hear, until, watch } from './fleet.js'

// A session goes on at another node while its old connection hangs on the first: a network that swallows everything, which neither end has noticed.

const ROOM = 'room/1'
const phone = { clientId: 'phone', token: 'alice' }

/** What a client's states were, with the code it ended with. */
function statesOf (client: { on (event: 'state', listener: (state: ClientState, error: { code: string } | null) => void): unknown }): string[] {
  const states: string[] = []
  client.on('state', (state, error) => { states.push(error === null ? state : `${state} ${error.code}`) })
  return states
}

async function start (t: Test): Promise<{ fleet: Fleet, network: TcpProxy }> {
  const fleet = await Fleet.start(t, 2)
  const network = await TcpProxy.start(fleet.node(0).port)
  t.teardown(() => network.close())
  return { fleet, network }
}

const throughOf = ({ port }: TcpProxy): string => `ws://127.0.0.1:${port}/push`
const connectionsOf = async (fleet: Fleet, i: number): Promise<number> => (await fleet.node(i).call<PushStats>('stats')).connections

t.test('the old connection hangs: it ends with the right code, and only the newest one gets messages and is a member', async (t) => {
  const { fleet, network } = await start(t)
  const watched = watch(fleet.client(1, { clientId: 'watch', userId: 'watcher' }), ROOM)
  const old = fleet.open(throughOf(network), phone)
  const states = statesOf(old)
  const [before, beforeOnce] = [hear(old, ROOM), hear(old, 'room/2', 0)]
  await Promise.all([before.ready, beforeOnce.ready, old.channel(ROOM).enter('here')])
  await fleet.publish(ROOM, 1, 'one')
  await until(() => before.data.length === 1, 'it is followed')
  await until(async () => await old.channel(ROOM).unread() === 0, 'and acknowledged')
  await until(() => watched.joined.includes('phone'), 'it is seen')
  network.stall('up')
  network.stall('down')

  const fresh = fleet.open(fleet.node(1).url, phone)
  const [after, afterOnce] = [hear(fresh, ROOM), hear(fresh, 'room/2', 0)]
  await Promise.all([after.ready, afterOnce.ready, fresh.channel(ROOM).enter('here')])
  await until(() => fleet.disconnects.length > 0, 'the old one is ended where it is')
  t.match(fleet.disconnects, [{ clientId: 'phone', code: 'PUSH_SUPERSEDED' }])
  for (let n = 2; n <= 6; n++) {
    await fleet.publish(ROOM, n, `n-${n}`, n)
    await fleet.publish('room/2', n, `n-${n}`, n)
  }
  await until(() => after.data.length >= 5 && afterOnce.data.length >= 5, 'the new one has what is new')
  t.same(after.data, [2, 3, 4, 5, 6], 'and only that, since the cursor came along')
  t.same(afterOnce.data, [2, 3, 4, 5, 6])
  await until(async () => await connectionsOf(fleet, 0) === 0, 'the socket is gone, though its peer says nothing')
  for (const i of [0, 1]) t.match(await fleet.node(i).call<PresencePage>('presence', ROOM), { connections: 1, members: [{ clientId: 'phone' }] })

  network.resume()
  await until(() => old.state !== 'live', 'the old one hears of it')
  t.equal(states.at(-1), 'closed PUSH_SUPERSEDED')
  t.same([before.data, beforeOnce.data], [[1], []], 'it got nothing more')
  t.equal(fresh.state, 'live')
  t.same(watched.left, [], 'nobody was seen to leave')
  t.same(fleet.presences.filter(({ channel }) => channel === ROOM).map(({ cause }) => cause), ['join'])
})

t.test('the first node does not hear of the claim: what the old connection writes is fenced, and once the node listens again it ends the old one', async (t) => {
  const fleet = await Fleet.start(t, 2)
  const link = await TcpProxy.start(fleet.redis.port)
  t.teardown(() => link.close())
  await fleet.node(0).kill()
  await fleet.restart(0, { redis: { port: link.port } })

  const old = fleet.open(fleet.node(0).url, phone)
  const idle = fleet.open(fleet.node(0).url, { clientId: 'idle', token: 'alice' })
  const [states, idleStates] = [statesOf(old), statesOf(idle)]
  let release = (): void => {}
  const working = new Promise<void>((resolve) => { release = resolve })
  const before: unknown[] = []
  await old.channel(ROOM).subscribe(async ({ data }) => {
    before.push(data)
    await working
  }).ready
  await hear(idle, 'room/2', 0).ready // acknowledges nothing, so that nothing of it is fenced
  for (let n = 1; n <= 3; n++) await fleet.publish(ROOM, n, `n-${n}`)
  await until(() => before.length === 1, 'it works on the first')
  await until(async () => (await fleet.node(0).call<PushStats>('stats')).delivered === 3, 'and was sent the others')

  link.stall('down')
  await fleet.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  const fresh = fleet.open(fleet.node(1).url, phone)
  const freshIdle = fleet.open(fleet.node(1).url, { clientId: 'idle', token: 'alice' })
  const after = hear(fresh, ROOM)
  await Promise.all([after.ready, hear(freshIdle, 'room/2', 0).ready])
  await fleet.node(1).call('publish', ROOM, 4)
  await until(() => after.data.length === 4, 'the new one goes on where the old one was')
  await until(async () => await fresh.channel(ROOM).unread() === 0, 'and has acknowledged all')

  t.same(fleet.disconnects.filter(({ node }) => node === 0), [], 'nobody has told the first node')
  release() // the old one acknowledges the first, too late
  await until(() => before.length === 3, 'it goes on with the rest')
  link.resume()
  const began = performance.now()
  await until(() => states.at(-1)?.startsWith('closed') === true && idleStates.at(-1)?.startsWith('closed') === true, () => `both are ended, not ${JSON.stringify([states, idleStates])}`)
  t.comment(`ended ${Math.round(performance.now() - began)} ms after the link was back`)
  t.same([states.at(-1), idleStates.at(-1)], ['closed PUSH_SUPERSEDED', 'closed PUSH_SUPERSEDED'])
  t.same(fleet.disconnects.filter(({ node }) => node === 0).map(({ clientId, code }) => `${clientId} ${code}`).sort(), ['idle PUSH_SUPERSEDED', 'phone PUSH_SUPERSEDED'])
  t.equal(await fresh.channel(ROOM).unread(), 0, 'the cursor has not moved back')
  fresh.reconnect()
  await until(() => fresh.state === 'live', 'the new one is back')
  await fleet.publish(ROOM, 5, 'n-5')
  await until(() => after.data.length >= 5, 'it goes on')
  t.same(after.data, [1, 2, 3, 4, 5])
})

t.test('a client whose link is lost goes on at another node within its grace: nobody sees it leave, and once it is gone it leaves once', async (t) => {
  const grace = 2000
  const fleet = await Fleet.start(t, 2, { push: { channels: { 'room/:id': { history: true, presence: { grace } } }, presence: { grace } } })
  const network = await TcpProxy.start(fleet.node(0).port)
  t.teardown(() => network.close())
  const watched = watch(fleet.open(fleet.node(1).url, { clientId: 'watch', token: 'watcher' }), ROOM)
  let url = throughOf(network)
  const roaming = nodePlatform()
  const client = fleet.open(url, { ...phone, platform: { ...roaming, connect: (_url, ...rest) => roaming.connect(url, ...rest) } })
  await client.channel(ROOM).enter('here')
  await until(() => watched.joined.includes('phone'), 'it is seen')
  for (const next of [fleet.node(1).url, throughOf(network), fleet.node(1).url]) {
    const before = fleet.disconnects.length
    url = next
    if (fleet.disconnects.at(-1)?.node === 0) client.reconnect()
    else network.reset()
    await until(() => fleet.disconnects.length > before && client.state === 'live', 'it is elsewhere')
  }
  await new Promise((resolve) => { setTimeout(resolve, 2 * grace) }) // every grace that might still run has run out
  t.same(watched.left, [])
  t.same(fleet.presences.filter(({ channel }) => channel === ROOM).map(({ cause }) => cause), ['join'])
  for (const i of [0, 1]) {
    t.match(await fleet.node(i).call<PresencePage>('presence', ROOM), { connections: 1, members: [{ clientId: 'phone', data: 'here' }] })
    t.equal(await fleet.node(i).call('online', 'alice'), true)
  }
  const lostAt = performance.now()
  client.reconnect() // to a place where nobody is
  await client.close({ timeout: 0 })
  await until(() => watched.left.length > 0, 'it leaves')
  t.comment(`left ${Math.round(performance.now() - lostAt)} ms after it was lost`)
  t.match(watched.left, [{ clientId: 'phone' }])
  await until(async () => !(await fleet.node(0).call<boolean>('online', 'alice')), 'and its user is offline')
})
