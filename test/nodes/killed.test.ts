import t, { type Test } from 'tap'
import type { PresencePage } from '../../types/presence.js'
import { Fleet, hear, Load, until, watch, type Watched } from './fleet.js'

// Ten times one of two nodes is killed under its clients and started again. Some of its clients come back on the other node, some never do. Leases run for half a
// minute, so those of all rounds run side by side.

const ROUNDS = 10
const ROOM = 'room/1'
/** Renewed up to ten seconds before, it runs for thirty; then another node looks after it within ten. Half as much again for a slow machine. */
const LEASE = 60_000

const stay = (i: number): { clientId: string, userId: string } => ({ clientId: `stay-${i}`, userId: `user-${i % 3}` })

/** Lets two clients that never come back into the room by way of a node, and kills it under them. Resolves with their names. */
async function killUnderGhosts (fleet: Fleet, victim: number, round: number, watched: readonly Watched[]): Promise<string[]> {
  // One of a user who is there besides, and one of a user who is not.
  const ghosts = [['user-0', `also-${round}`], ['ghost', `ghost-${round}`]].map(([userId = '', clientId = '']) => ({ clientId, client: fleet.client(victim, { userId, clientId }) }))
  await Promise.all(ghosts.map(({ client }) => client.channel(ROOM).enter()))
  await until(() => watched.every(({ joined }) => ghosts.every(({ clientId }) => joined.includes(clientId))), 'the watchers know of them')
  await fleet.node(victim).kill()
  await Promise.all(ghosts.map(({ client }) => client.close({ timeout: 0 })))
  return ghosts.map(({ clientId }) => clientId)
}

t.test('ten times a node is killed: clients go on elsewhere, members leave once, and nothing is lost', async (t) => {
  const fleet = await Fleet.start(t, 2)
  const watchers = [0, 1].map((i) => fleet.client(i, { userId: 'watcher' }))
  const watched = watchers.map((client) => watch(client, ROOM))
  const stayers = [0, 1, 2, 3].map((i) => fleet.client(i, stay(i)))
  const all = [...watchers, ...stayers]
  const heard = all.map((client) => hear(client, ROOM))
  await Promise.all([...heard.map(({ ready }) => ready), ...stayers.map((client, i) => client.channel(ROOM).enter({ i }))])
  const load = new Load()
  load.begin('server', (data) => fleet.publish(ROOM, data, data.replace(' ', '-'), Math.floor(Math.random() * 2)))
  stayers.slice(0, 2).forEach((client, i) => load.begin(`client-${i}`, (data) => client.channel(ROOM).publish(data, { qos: i === 0 ? 1 : 2 })))

  const killedAt = new Map<string, number>()
  for (let round = 0; round < ROUNDS; round++) {
    const ghosts = await killUnderGhosts(fleet, round % 2, round, watched)
    for (const ghost of ghosts) killedAt.set(ghost, performance.now())
    await Promise.all([until(() => all.every((client) => client.state === 'live'), 'the others are back'), fleet.restart(round % 2)])
  }
  const published = await load.end()
  await until(() => watched.every(({ left }) => left.length >= killedAt.size), () => `all ghosts are told to have left, not ${JSON.stringify(watched.map(({ left }) => left.map(({ clientId }) => clientId)))}`, LEASE)
  await assertPresent(t, fleet)
  assertLeftOnce(t, fleet, watched, killedAt)
  const log = await fleet.log(ROOM)
  await until(() => heard.every(({ data }) => data.length >= log.length), () => `all have ${log.length}, not ${heard.map(({ data }) => data.length).join(' ')}`)
  t.same([...log].sort(), [...published].sort(), `each of ${published.length} messages is stored once`)
  heard.forEach(({ data, gaps }, i) => {
    t.same(data, log, `client ${i} has them all, in order`)
    t.same(gaps, [])
  })
  await assertNoGhosts(t, fleet, [...killedAt.keys()])
  await Promise.all(all.map((client) => client.close()))
})

// Both nodes know who is there, and who is not.
async function assertPresent (t: Test, fleet: Fleet): Promise<void> {
  for (const node of fleet.nodes) {
    const { members, users, connections } = await node.call<PresencePage>('presence', ROOM)
    t.same([members.map(({ clientId }) => clientId).sort(), users, connections], [[0, 1, 2, 3].map((i) => stay(i).clientId), 3, 4])
    t.same((await node.call<string[]>('online', ['user-0', 'user-1', 'user-2', 'watcher', 'ghost'])).sort(), ['user-0', 'user-1', 'user-2', 'watcher'])
    t.type(await node.call('lastSeen', 'ghost'), 'string', 'and when the other one was seen')
  }
}

// Each watcher was told of each ghost, and of nobody who came back; and so was one hook.
function assertLeftOnce (t: Test, fleet: Fleet, watched: readonly Watched[], killedAt: ReadonlyMap<string, number>): void {
  const ghosts = [...killedAt.keys()].sort()
  for (const { left } of watched) {
    t.same(left.map(({ clientId }) => clientId).sort(), ghosts)
    t.same(left.filter(({ cause }) => cause !== 'timeout'), [])
    const late = left.map(({ clientId, at }) => at - (killedAt.get(clientId) ?? 0))
    t.comment(`they left ${Math.round(Math.min(...late))} to ${Math.round(Math.max(...late))} ms after the kill`)
    t.ok(Math.min(...late) > 15_000, 'none before its lease had run out')
  }
  const lastKill = Math.max(...killedAt.values())
  for (const ghost of ghosts) {
    const told = fleet.presences.filter(({ channel, clientId, cause }) => channel === ROOM && clientId === ghost && cause === 'timeout').length
    // The hook's node may have been killed before it told.
    const isCertain = (watched[0]?.left.find(({ clientId }) => clientId === ghost)?.at ?? 0) > lastKill + 1000
    t.ok(told === 1 || (told === 0 && !isCertain), `${told} hooks for ${ghost}`)
  }
}

// What Redis still has: nothing names a ghost but what runs out by itself.
async function assertNoGhosts (t: Test, fleet: Fleet, ghosts: readonly string[]): Promise<void> {
  const keys = await fleet.admin.keys('*')
  const lasting: string[] = []
  for (const key of keys) {
    const type = await fleet.admin.type(key)
    const ttl = await fleet.admin.pttl(key)
    if (ttl === -1) lasting.push(`${type} ${key}`)
    if (type === 'hash' && key.endsWith(':members')) {
      const members = Object.values(await fleet.admin.hgetall(key))
      t.notOk(members.some((text) => ghosts.some((ghost) => text.includes(`"${ghost}"`))), `${key} has no ghost`)
    }
  }
  t.same(lasting.filter((key) => /ghost/.test(key)), [], 'nothing of theirs lasts')
  t.equal(await fleet.admin.zcard('push:{room/1}:holders'), 4)
}
