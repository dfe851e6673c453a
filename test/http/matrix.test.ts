import t, { type Test } from 'tap'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import type { FastifyPushOptions } from '../../types/index.js'
import { startApp } from '../helpers/app.js'
import { Peer, secret, type FrameOf, type FrameType } from '../helpers/peer.js'

// Every action of every identity on every kind of channel: a table of what comes of it.

type Outcome = 'yes' | 'head' | `PUSH_${string}`
/** Of subscribe, publish, history, a position that nobody vouches for (`head`: it begins there), presence and enter. */
type Row = readonly [subscribe: Outcome, publish: Outcome, history: Outcome, position: Outcome, presence: Outcome, enter: Outcome]

const [INVALID, UNKNOWN, FORBIDDEN, NO_HISTORY, NO_PRESENCE] = ['PUSH_CHANNEL_INVALID', 'PUSH_CHANNEL_UNKNOWN', 'PUSH_FORBIDDEN', 'PUSH_NO_HISTORY', 'PUSH_NO_PRESENCE'] as const

const channels = {
  'open/:id': { history: true },
  'quiet/:id': {},
  'live/:id': { history: true },
  'chat/:id': { history: true, clientPublish: true },
  'private/:user': { history: true, clientPublish: true, presence: true }
} as const
const declared = ['open/1', 'quiet/1', 'live/1', 'chat/1', 'private/alice', 'private/bob']

const all = (outcome: Outcome): Row => [outcome, outcome, outcome, outcome, outcome, outcome]
const everybody: Record<string, Row> = {
  'open/1': ['yes', FORBIDDEN, 'yes', 'yes', NO_PRESENCE, NO_PRESENCE],
  'quiet/1': ['yes', FORBIDDEN, NO_HISTORY, 'head', NO_PRESENCE, NO_PRESENCE],
  'live/1': ['yes', FORBIDDEN, FORBIDDEN, 'head', NO_PRESENCE, NO_PRESENCE],
  'chat/1': ['yes', 'yes', 'yes', 'yes', NO_PRESENCE, NO_PRESENCE],
  nowhere: all(UNKNOWN),
  'open/1/': all(INVALID),
  'OPEN/1': all(UNKNOWN),
  '$inbox/alice': all(INVALID),
  '$inbox/bob': all(INVALID),
  '$inbox-any/bob': all(INVALID),
  '$inbox/any/': all(INVALID),
  '$presence/open/1': [NO_PRESENCE, INVALID, NO_PRESENCE, NO_PRESENCE, INVALID, INVALID],
  '$presence/$inbox': all(INVALID),
  '$presence/$user/': all(INVALID),
  $control: all(INVALID),
  __proto__x: all(INVALID)
}
const mine = all('yes')
const denied = all(FORBIDDEN)
/** Logs of members. */
const shown: Row = ['yes', INVALID, NO_HISTORY, 'head', INVALID, INVALID]
const hidden: Row = [FORBIDDEN, INVALID, NO_HISTORY, FORBIDDEN, INVALID, INVALID]
/** The clients of a user. */
const user = (presence: Outcome): Row => [INVALID, INVALID, INVALID, INVALID, presence, INVALID]
const inbox: Row = ['yes', INVALID, 'yes', 'yes', INVALID, INVALID]

const foreign: Row = [FORBIDDEN, INVALID, FORBIDDEN, FORBIDDEN, INVALID, INVALID]

const of = (name: string, isMine: boolean): Record<string, Row> => ({
  [`private/${name}`]: isMine ? mine : denied,
  [`$presence/private/${name}`]: isMine ? shown : hidden,
  [`$user/${name}`]: user(isMine ? 'yes' : FORBIDDEN),
  [`$presence/$user/${name}`]: isMine ? shown : hidden
})
const tables: Record<string, Record<string, Row>> = {
  anonymous: { ...everybody, ...of('alice', false), ...of('bob', false), 'private/undefined': denied, $inbox: foreign, '$inbox/any': foreign },
  alice: { ...everybody, ...of('alice', true), ...of('bob', false), $inbox: inbox },
  bob: { ...everybody, ...of('alice', false), ...of('bob', true), $inbox: inbox }
}

const TTL = 2000

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
    authorize: ({ action, channel, params, client }) => ({
      allow: !revoked.has(String(client.userId)) && mayIn(action, channel, params.user, client.userId),
      ttl: TTL
    }),
    ...more
  })
  const inside = async (channel: string): Promise<unknown[]> => (await app.push.history(channel).catch(() => null))?.messages.map(({ data }) => data) ?? []
  return { app, url, storage, revoked, inside }
}

function mayIn (action: string, channel: string, owner: string | undefined, userId: string | undefined): boolean {
  if (channel.startsWith('private/')) return userId !== undefined && owner === userId
  if (channel.startsWith('live/')) return action !== 'history'
  return !channel.startsWith('$user/') // of others: the own clients are not asked about
}

let requests = 0

async function ask<Type extends FrameType> (peer: Peer, frame: object, type: Type): Promise<FrameOf<Type> | FrameOf<'error'>> {
  return peer.ask({ ...frame, id: ++requests }, type)
}

const told = (answer: { readonly type: string, readonly code?: string }): string => answer.type === 'error' ? String(answer.code) : 'yes'

/** Tries one action and says what came of it. */
const tries = {
  subscribe: async (peer: Peer, channel: string): Promise<string> => told(await ask(peer, { type: 'subscribe', channel, qos: 1 }, 'subscribed')),
  publish: async (peer: Peer, channel: string): Promise<string> => {
    peer.send({ type: 'publish', channel, qos: 0, data: 'in' })
    const sequence = ++requests
    peer.send({ type: 'publish', channel, qos: 1, publisher: secret(), sequence, data: 'in' })
    const mine = (frame: { sequence: number }): boolean => frame.sequence === sequence
    return Promise.race([peer.take('published', mine).then(() => 'yes'), peer.take('refused', mine).then(({ code }) => code)])
  },
  history: async (peer: Peer, channel: string): Promise<string> => told(await ask(peer, { type: 'history', channel }, 'history')),
  presence: async (peer: Peer, channel: string): Promise<string> => told(await ask(peer, { type: 'presence', channel }, 'presence')),
  enter: async (peer: Peer, channel: string): Promise<string> => told(await ask(peer, { type: 'enter', channel }, 'entered')),
  unread: async (peer: Peer, channel: string): Promise<string> => told(await ask(peer, { type: 'unread', channel }, 'unread'))
}

/** Of a session that the server does not know in the channel. */
async function tryPosition (url: string, token: string, channel: string): Promise<string> {
  const peer = await Peer.owner(url, { token })
  const answer = await ask(peer, { type: 'subscribe', channel, qos: 1, position: { epoch: 'x', offset: 0 } }, 'subscribed')
  await peer.close()
  if (answer.type === 'error') return answer.code
  return answer.position.offset === 0 ? 'yes' : 'head'
}

for (const [name, table] of Object.entries(tables)) {
  t.test(`what ${name} may`, async (t) => {
    const { app, url, storage, inside } = await start(t, name === 'anonymous' ? { authenticate: undefined as never } : {})
    const body = Buffer.from(JSON.stringify({ id: 'x', qos: 1, timestamp: 1, data: 'bob’s mail' }))
    await storage.log.append('$inbox/bob', [{ body, qos: 1 }], { limit: 10, bytes: 1000, ttl: 60_000 })
    const peer = await Peer.owner(url, { token: name })
    const listed = await Peer.welcomed(url, { token: name, subscriptions: Object.keys(table).map((channel) => ({ channel, qos: 1 })) })
    for (const channel of declared) await app.push.publish(channel, 'before')
    for (const [channel, [subscribe, publish, history, position, presence, enter]] of Object.entries(table)) {
      const before = (await inside(channel)).length
      t.equal(await tries.subscribe(peer, channel), subscribe, `subscribe ${channel}`)
      const verdict = listed.welcome.subscriptions.find((each) => each.channel === channel)
      t.equal(verdict !== undefined && 'code' in verdict ? verdict.code : 'yes', subscribe, `subscribe ${channel} in the hello`)
      t.equal(await tries.publish(peer, channel), publish, `publish ${channel}`)
      t.equal(await tries.history(peer, channel), history, `history ${channel}`)
      t.equal(await tries.presence(peer, channel), presence, `presence ${channel}`)
      t.equal(await tries.enter(peer, channel), enter, `enter ${channel}`)
      t.equal(await tries.unread(peer, channel), subscribe, `unread ${channel}`)
      t.equal(await tryPosition(url, name, channel), position, `a position in ${channel}`)
      if (publish !== 'yes') t.equal((await inside(channel)).length, before, `nothing got into ${channel}`)
    }
    for (const channel of declared) await app.push.publish(channel, 'out')
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
  const end = Date.now() + 2000
  const peer = await Peer.owner(url, { token: `alice:${end}`, subscriptions: [{ channel: 'open/1', qos: 1 }] })
  let published = 0
  const publishing = setInterval(() => {
    app.push.publish('open/1', { at: Date.now(), number: ++published }).catch(t.error)
    if (peer.webSocket.readyState === peer.webSocket.OPEN) peer.send({ type: 'publish', channel: 'chat/1', qos: 0, data: Date.now() })
  }, 5)
  t.teardown(() => clearInterval(publishing))
  t.same(await peer.ended, { code: 4440, reason: 'PUSH_EXPIRED' })
  t.ok(Date.now() >= end)
  await new Promise((resolve) => { setTimeout(resolve, 50) })
  const out = peer.frames.flatMap((frame) => frame.type === 'messages' ? frame.messages.map(({ data }) => (data as { at: number }).at) : [])
  t.ok(out.length > 0 && out.every((at) => at < end), 'nothing that was published afterwards')
  t.ok((await inside('chat/1')).length > 0)
})

t.test('a revocation takes effect when what was allowed runs out', async (t) => {
  const { app, url, revoked, inside } = await start(t)
  const peer = await Peer.owner(url, { token: 'alice', subscriptions: [{ channel: 'private/alice', qos: 1 }, { channel: 'chat/1', qos: 1 }] })
  for (const [action, act] of Object.entries(tries)) t.equal(await act(peer, 'private/alice'), 'yes', action)
  revoked.add('alice')
  const began = Date.now()
  for (const channel of ['private/alice', 'chat/1']) t.match(await peer.take('unsubscribed', (frame) => frame.channel === channel), { code: FORBIDDEN })
  await new Promise((resolve) => { setTimeout(resolve, Math.max(0, began + TTL + 50 - Date.now())) })
  peer.frames.length = 0
  const before = await inside('chat/1')
  await app.push.publish('private/alice', 'secret')
  for (const [action, act] of Object.entries(tries)) t.equal(await act(peer, 'private/alice'), FORBIDDEN, action)
  t.same((await app.push.presence('private/alice')).members, [])
  t.same(await inside('chat/1'), before)
  t.same(peer.frames.filter(({ type }) => type === 'messages'), [])
  await app.push.clients({ userId: 'alice' }).disconnect({ code: 'PUSH_UNAUTHENTICATED' })
  t.same(await peer.ended, { code: 4401, reason: 'PUSH_UNAUTHENTICATED' })
  t.same(await (await Peer.open(url, { hello: { type: 'hello', session: secret(), token: 'alice' } })).ended, { code: 4401, reason: 'PUSH_UNAUTHENTICATED' })
})

t.test('what was allowed without a time ends by the host’s word', async (t) => {
  let allow = true
  const { app, url } = await start(t, { authorize: () => allow })
  const peer = await Peer.owner(url, { token: 'alice', subscriptions: [{ channel: 'private/alice', qos: 1 }, { channel: '$presence/private/alice', qos: 1 }] })
  t.equal(await tries.enter(peer, 'private/alice'), 'yes')
  allow = false
  await app.push.clients({ userId: 'alice' }).unsubscribe('private/alice')
  await peer.take('unsubscribed', ({ channel }) => channel === 'private/alice')
  await peer.take('unsubscribed', ({ channel }) => channel === '$presence/private/alice')
  await peer.barrier()
  peer.frames.length = 0
  await app.push.publish('private/alice', 'secret')
  for (const [action, act] of Object.entries(tries)) t.equal(await act(peer, 'private/alice'), FORBIDDEN, action)
  t.same(peer.frames.filter(({ type }) => type === 'messages'), [])
  t.same((await app.push.presence('private/alice')).members, [])
})

t.test('another token: of the same user, of another, and of nobody', async (t) => {
  const { url, revoked } = await start(t)
  const hour = (hours: number): number => Date.now() + hours * 3_600_000
  for (const [token, taken] of [[`alice:${hour(2)}`, true], ['alice', true], [`bob:${hour(2)}`, false], [`alice:${Date.now() - 1}`, false], ['mallory', false]] as const) {
    const peer = await Peer.owner(url, { token: `alice:${hour(1)}` })
    peer.send({ type: 'token', id: 1, token })
    if (taken) t.equal((await peer.take('token')).id, 1, token)
    else t.same(await peer.ended, { code: 4401, reason: 'PUSH_UNAUTHENTICATED' }, token)
  }
  const peer = await Peer.owner(url, { token: `alice:${hour(1)}` })
  revoked.add('alice')
  peer.send({ type: 'token', id: 1, token: `alice:${hour(2)}` })
  t.same(await peer.ended, { code: 4401, reason: 'PUSH_UNAUTHENTICATED' })
})
