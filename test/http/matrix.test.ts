import t, { type Test } from 'tap'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import type { FastifyPushOptions } from '../../types/index.js'
import { startApp } from '../helpers/app.js'
import { Peer, secret } from '../helpers/peer.js'

// Every action of every identity on every kind of channel: a table of what comes of it.

type Outcome = 'yes' | `PUSH_${string}`
/** Of subscribe, publish and history. */
type Row = readonly [subscribe: Outcome, publish: Outcome, history: Outcome]

const [INVALID, UNKNOWN, FORBIDDEN, NO_HISTORY, NO_PRESENCE] = ['PUSH_CHANNEL_INVALID', 'PUSH_CHANNEL_UNKNOWN', 'PUSH_FORBIDDEN', 'PUSH_NO_HISTORY', 'PUSH_NO_PRESENCE'] as const

const channels = { 'open/:id': { history: true }, 'quiet/:id': {}, 'chat/:id': { history: true, clientPublish: true }, 'private/:user': { history: true, clientPublish: true, presence: true } } as const

const everybody: Record<string, Row> = {
  'open/1': ['yes', FORBIDDEN, 'yes'],
  'quiet/1': ['yes', FORBIDDEN, NO_HISTORY],
  'chat/1': ['yes', 'yes', 'yes'],
  nowhere: [UNKNOWN, UNKNOWN, UNKNOWN],
  'open/1/': [INVALID, INVALID, INVALID],
  'OPEN/1': [UNKNOWN, UNKNOWN, UNKNOWN],
  '$inbox/alice': [INVALID, INVALID, INVALID],
  '$inbox/bob': [INVALID, INVALID, INVALID],
  '$presence/open/1': [NO_PRESENCE, INVALID, NO_PRESENCE],
  '$presence/$inbox': [INVALID, INVALID, INVALID],
  $control: [INVALID, INVALID, INVALID],
  __proto__x: [INVALID, INVALID, INVALID]
}
const denied: Row = [FORBIDDEN, FORBIDDEN, FORBIDDEN]
const hidden: Row = [FORBIDDEN, INVALID, NO_HISTORY]
const tables: Record<string, Record<string, Row>> = {
  anonymous: { ...everybody, 'private/alice': denied, 'private/bob': denied, 'private/undefined': denied, '$presence/private/alice': hidden, '$presence/private/bob': hidden, $inbox: [FORBIDDEN, INVALID, FORBIDDEN] },
  alice: { ...everybody, 'private/alice': ['yes', 'yes', 'yes'], 'private/bob': denied, '$presence/private/alice': ['yes', INVALID, NO_HISTORY], '$presence/private/bob': hidden, $inbox: ['yes', INVALID, 'yes'] },
  bob: { ...everybody, 'private/alice': denied, 'private/bob': ['yes', 'yes', 'yes'], '$presence/private/alice': hidden, '$presence/private/bob': ['yes', INVALID, NO_HISTORY], $inbox: ['yes', INVALID, 'yes'] }
}

const TTL = 300

async function start (t: Test, more: FastifyPushOptions = {}) {
  const revoked = new Set<string>()
  const storage = memoryStorage()
  const { app, url } = await startApp(t, {
    storage,
    channels,
    authenticate: (_request, { token = '' }) => {
      const [userId = '', end] = token.split(':')
      if (!['alice', 'bob'].includes(userId) || revoked.has(userId)) return null
      return { userId, ...(end === undefined ? {} : { expiresAt: Number(end) }) }
    },
    authorize: ({ channel, params, client }) => ({
      allow: !revoked.has(String(client.userId)) && (!channel.startsWith('private/') || (client.userId !== undefined && params.user === client.userId)),
      ttl: TTL
    }),
    ...more
  })
  const inside = async (channel: string): Promise<unknown[]> => (await app.push.history(channel).catch(() => null))?.messages.map(({ data }) => data) ?? []
  return { app, url, storage, revoked, inside }
}

let requests = 0

/** Tries one action and says what came of it. */
const tries = {
  subscribe: async (peer: Peer, channel: string): Promise<string> => {
    const answer = await peer.ask({ type: 'subscribe', id: ++requests, channel, qos: 1 } as { id: number }, 'subscribed')
    return answer.type === 'error' ? answer.code : 'yes'
  },
  publish: async (peer: Peer, channel: string): Promise<string> => {
    peer.send({ type: 'publish', channel, qos: 0, data: 'in' })
    const sequence = ++requests
    peer.send({ type: 'publish', channel, qos: 1, publisher: secret(), sequence, data: 'in' })
    const mine = (frame: { sequence: number }): boolean => frame.sequence === sequence
    return Promise.race([peer.take('published', mine).then(() => 'yes'), peer.take('refused', mine).then(({ code }) => code)])
  },
  history: async (peer: Peer, channel: string): Promise<string> => {
    const answer = await peer.ask({ type: 'history', id: ++requests, channel } as { id: number }, 'history')
    return answer.type === 'error' ? answer.code : 'yes'
  }
}

for (const [name, table] of Object.entries(tables)) {
  t.test(`what ${name} may`, async (t) => {
    const { app, url, storage, inside } = await start(t, name === 'anonymous' ? { authenticate: undefined as never } : {})
    const body = Buffer.from(JSON.stringify({ id: 'x', qos: 1, timestamp: 1, data: 'bob’s mail' }))
    await storage.log.append('$inbox/bob', [{ body, qos: 1 }], { limit: 10, bytes: 1000, ttl: 60_000 })
    const peer = await Peer.owner(url, { token: name })
    const listed = await Peer.welcomed(url, { token: name, subscriptions: Object.keys(table).map((channel) => ({ channel, qos: 1 })) })
    for (const [channel, [subscribe, publish, history]] of Object.entries(table)) {
      const before = (await inside(channel)).length
      t.equal(await tries.subscribe(peer, channel), subscribe, `subscribe ${channel}`)
      const verdict = listed.welcome.subscriptions.find((each) => each.channel === channel)
      t.equal(verdict !== undefined && 'code' in verdict ? verdict.code : 'yes', subscribe, `subscribe ${channel} in the hello`)
      t.equal(await tries.publish(peer, channel), publish, `publish ${channel}`)
      t.equal(await tries.history(peer, channel), history, `history ${channel}`)
      if (publish !== 'yes') t.equal((await inside(channel)).length, before, `nothing got into ${channel}`)
    }
    for (const channel of ['open/1', 'quiet/1', 'chat/1', 'private/alice', 'private/bob']) await app.push.publish(channel, 'out')
    await app.push.publish('chat/1', 'last')
    for (const each of [peer, listed.peer]) {
      await each.take('messages', ({ channel, messages }) => channel === 'chat/1' && messages.some(({ data }) => data === 'last'))
      await each.barrier()
      const heard = new Set(each.frames.flatMap((frame) => frame.type === 'messages' ? [frame.channel] : []))
      for (const channel of heard) t.equal(table[channel]?.[0], 'yes', `nothing got out of ${channel}`)
      if (name === 'alice') t.notOk(heard.has('$inbox'), 'the mail is bob’s')
      await each.close()
    }
  })
}

t.test('who is not let in at all', async (t) => {
  const { url, app, inside } = await start(t)
  const tokens = { none: undefined, expired: `alice:${Date.now() - 1}`, forged: 'mallory', 'of a prototype': '__proto__', empty: '' }
  for (const [name, token] of Object.entries(tokens)) {
    const hello = { type: 'hello', session: secret(), ...(token === undefined ? {} : { token }), subscriptions: [{ channel: 'open/1', qos: 1 }] }
    for (const early of [true, false]) {
      const peer = await Peer.open(url, early ? { hello } : {})
      if (!early) peer.send(hello)
      peer.send({ type: 'publish', channel: 'chat/1', qos: 0, data: 'in' })
      peer.send({ type: 'history', id: 1, channel: 'open/1' })
      t.same(await peer.ended, { code: 4401, reason: 'PUSH_UNAUTHENTICATED' }, name)
      t.same(peer.frames.map(({ type }) => type), ['goodbye'], name)
    }
  }
  t.same(await inside('chat/1'), [])
  t.equal(app.push.stats().stored, 0)
})

t.test('a session’s secret and a client’s name are worth nothing under another user', async (t) => {
  const { app, url } = await start(t)
  const session = secret()
  const subscriptions = [{ channel: 'open/1', qos: 1 }]
  for (const hello of [{ session }, { clientId: 'phone' }]) {
    const alice = await Peer.owner(url, { token: 'alice', ...hello, subscriptions })
    await alice.close()
    await app.push.publish('open/1', 'for alice')
    const bob = await Peer.welcomed(url, { token: 'bob', ...hello, subscriptions })
    t.match(bob.welcome, { resumed: false, subscriptions: [{ verdict: 'started' }] }, 'it is another session')
    await bob.peer.barrier()
    t.equal(bob.peer.frames.filter(({ type }) => type === 'messages').length, 0)
    const again = await Peer.welcomed(url, { token: 'alice', ...hello, subscriptions })
    t.match(again.welcome, { resumed: true, subscriptions: [{ verdict: 'resumed' }] }, 'and hers is as it was')
    t.same(await again.peer.data(1), ['for alice'])
    await bob.peer.barrier()
    await Promise.all([bob.peer.close(), again.peer.close()])
  }
})

t.test('an identity that ends: nothing in or out from then on', async (t) => {
  const { app, url, inside } = await start(t)
  const end = Date.now() + 400
  const peer = await Peer.owner(url, { token: `alice:${end}`, subscriptions: [{ channel: 'open/1', qos: 1 }] })
  let published = 0
  const publishing = setInterval(() => {
    app.push.publish('open/1', { at: Date.now(), number: ++published }).catch(t.error)
    if (peer.webSocket.readyState === peer.webSocket.OPEN) peer.send({ type: 'publish', channel: 'chat/1', qos: 0, data: Date.now() })
  }, 5)
  t.teardown(() => clearInterval(publishing))
  t.same(await peer.ended, { code: 4440, reason: 'PUSH_EXPIRED' })
  t.ok(Date.now() >= end && Date.now() < end + 1000)
  await new Promise((resolve) => { setTimeout(resolve, 50) })
  const out = peer.frames.flatMap((frame) => frame.type === 'messages' ? frame.messages.map(({ data }) => (data as { at: number }).at) : [])
  t.ok(out.length > 0 && out.every((at) => at < end), 'nothing that was published afterwards')
  t.ok((await inside('chat/1')).length > 0)
})

t.test('a revocation takes effect within a second', async (t) => {
  const { app, url, revoked, inside } = await start(t)
  const peer = await Peer.owner(url, { token: 'alice', subscriptions: [{ channel: 'private/alice', qos: 1 }, { channel: 'chat/1', qos: 1 }] })
  for (const [action, act] of Object.entries(tries)) t.equal(await act(peer, 'chat/1'), 'yes', action)
  revoked.add('alice')
  const began = Date.now()
  for (const channel of ['private/alice', 'chat/1']) t.match(await peer.take('unsubscribed', (frame) => frame.channel === channel), { code: FORBIDDEN })
  await new Promise((resolve) => { setTimeout(resolve, Math.max(0, began + TTL + 50 - Date.now())) })
  t.ok(Date.now() - began < 1000)
  peer.frames.length = 0
  const before = await inside('chat/1')
  await app.push.publish('private/alice', 'secret')
  for (const channel of ['private/alice', 'chat/1']) {
    for (const [action, act] of Object.entries(tries)) t.equal(await act(peer, channel), FORBIDDEN, `${action} ${channel}`)
  }
  t.same(await inside('chat/1'), before)
  t.same(peer.frames.filter(({ type }) => type === 'messages'), [])
  await app.push.clients({ userId: 'alice' }).disconnect({ code: 'PUSH_UNAUTHENTICATED' })
  t.same(await peer.ended, { code: 4401, reason: 'PUSH_UNAUTHENTICATED' })
  t.same(await (await Peer.open(url, { hello: { type: 'hello', session: secret(), token: 'alice' } })).ended, { code: 4401, reason: 'PUSH_UNAUTHENTICATED' })
})
