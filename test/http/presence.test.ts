import t from 'tap'
import { createClient } from '../../lib/client/node.js'
import type { PresentMember } from '../../lib/client/index.js'
import { assertUnharmed, startApp } from '../helpers/app.js'
import { Peer } from '../helpers/peer.js'

const options = { authenticate: (_: unknown, { token }: { token: string | undefined }) => ({ userId: token ?? 'nobody' }), channels: { 'room/:id': { presence: { grace: '1s' } }, plain: {} } }

t.test('over real sockets: entering, watching, leaving in order and by a lost connection', async (t) => {
  const { app, url, log } = await startApp(t, options)
  const watcher = createClient(url, { token: 'watcher' })
  t.teardown(() => watcher.close())
  const heard: string[] = []
  let look = () => {}
  const until = (...expected: string[]) => new Promise<void>((resolve) => {
    look = () => { if (expected.every((each) => heard.includes(each))) resolve() }
    look()
  })
  const note = (event: string) => ({ clientId, userId, cause }: PresentMember) => { heard.push(`${event} ${clientId} ${userId} ${cause}`); look() }
  for (const event of ['join', 'leave'] as const) watcher.channel('room/1').on(event, note(event))
  watcher.user('watcher').on('online', () => { heard.push('online'); look() })
  const phone = createClient(url, { token: 'alice', clientId: 'phone' })
  await phone.channel('room/1').enter({ mood: 'curious' })
  const peer = await Peer.owner(url, { clientId: 'laptop', token: 'alice' })
  t.match(await peer.ask({ type: 'enter', id: 1, channel: 'room/1' } as { id: number }, 'entered'), { type: 'entered' })
  await until('join phone alice join', 'join laptop alice join', 'online')
  const { members, ...counts } = await app.push.presence('room/1')
  t.match(members.map(({ clientId, userId, data }) => ({ clientId, userId, data })).sort((a, b) => a.clientId < b.clientId ? -1 : 1), [{ clientId: 'laptop', userId: 'alice' }, { clientId: 'phone', data: { mood: 'curious' } }])
  t.same(counts, { users: 1, connections: 2, next: null })
  t.equal((await app.push.presence('room/1', { limit: 1 })).next, members[0]?.id)
  t.same([await app.push.online('alice'), await app.push.online(['bob', 'watcher', 'alice']), await app.push.lastSeen('alice')], [true, ['watcher', 'alice'], null])
  await phone.close()
  await until('leave phone alice leave')
  peer.webSocket.terminate()
  await until('leave laptop alice timeout')
  t.equal((await app.push.presence('room/1', { limit: 0 })).connections, 0)
  await t.rejects(app.push.presence('plain'), { code: 'PUSH_NO_PRESENCE', statusCode: 403 })
  await t.rejects(app.push.presence('nowhere'), { code: 'PUSH_CHANNEL_UNKNOWN' })
  for (const limit of [-1, 1.5, '1']) await t.rejects(app.push.presence('room/1', { limit: limit as number }), { code: 'PUSH_INVALID' })
  await t.rejects(app.push.presence('room/1', { after: 5 as unknown as string }), { code: 'PUSH_INVALID' })
  const { presence, online, lastSeen } = app.push
  t.same([(await presence('room/1')).members, await online('bob'), await lastSeen('bob')], [[], false, null], 'the methods need no this')
  assertUnharmed(t, log)
})

t.test('a client reconnects, and nobody hears of it', async (t) => {
  const { app, url } = await startApp(t, { ...options, channels: { 'room/:id': { presence: true } } })
  const heard: string[] = []
  const watcher = createClient(url)
  const phone = createClient(url, { token: 'alice', clientId: 'phone' })
  t.teardown(() => Promise.all([watcher.close(), phone.close()]))
  const joined = new Promise<void>((resolve) => {
    watcher.channel('room/1').on('join', ({ cause }) => { heard.push(cause); resolve() })
  })
  watcher.channel('room/1').on('leave', ({ cause }) => { heard.push(cause) })
  await phone.channel('room/1').enter(1)
  await joined
  for (let i = 0; i < 3; i++) {
    phone.reconnect()
    await phone.channel('room/1').presence()
  }
  watcher.reconnect()
  await phone.channel('room/1').enter(1)
  await watcher.channel('room/1').presence()
  t.same([heard, (await app.push.presence('room/1')).connections], [['join'], 1])
})
