import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import session from '@fastify/session'
import t, { type Test } from 'tap'
import type { FastifyPushOptions } from '../../types/index.js'
import { assertUnharmed, startApp, type TestApp } from '../helpers/app.js'
import { Peer, secret } from '../helpers/peer.js'

// What hosts use to know their users, as the README shows it: the packages themselves.

const SECRET = 'a secret of a test, of 32 characters or more'

declare module 'fastify' {
  interface Session { user?: string }
}

/** How a hello is answered: the user's subscription, or the code of the goodbye. */
async function answerTo ({ url }: TestApp, token: string | undefined, headers: Record<string, string> = {}): Promise<string> {
  const peer = await Peer.open(url, { hello: { type: 'hello', session: secret(), ...(token === undefined ? {} : { token }), subscriptions: [{ channel: '$inbox', qos: 1 }] }, headers })
  const answer = await Promise.race([peer.take('welcome').then(() => 'welcome', () => peer.ended.then(({ reason }) => reason)), peer.ended.then(({ reason }) => reason)])
  await peer.close()
  return answer
}

const start = (t: Test, options: FastifyPushOptions, prepare: Parameters<typeof startApp>[2]) => startApp(t, { channels: { news: {} }, ...options }, prepare)

/** An app whose users come with a JWT as their token. */
async function startJwt (t: Test): Promise<TestApp> {
  const made = await start(t, {
    authenticate: async (_request, { token }) => {
      if (token === undefined) return null
      const { sub, exp } = made.app.jwt.verify<{ sub: string, exp: number }>(token)
      return { userId: sub, expiresAt: exp * 1000 }
    }
  }, (app) => app.register(jwt, { secret: SECRET }))
  return made
}

t.test('@fastify/jwt: a JWT as the token', async (t) => {
  const made = await startJwt(t)
  const { app, log } = made
  const good = app.jwt.sign({ sub: 'alice' }, { expiresIn: '1h' })
  t.equal(await answerTo(made, good), 'welcome')
  const [head, , signature] = good.split('.')
  const forged: [string, string | undefined][] = [
    ['none', undefined],
    ['no JWT', 'alice'],
    ['expired', app.jwt.sign({ sub: 'alice', exp: 1 })],
    ['not yet', app.jwt.sign({ sub: 'alice' }, { expiresIn: '2h', notBefore: '1h' })],
    ['another payload', `${head}.${Buffer.from('{"sub":"bob","exp":9999999999}').toString('base64url')}.${signature}`],
    ['no signature', `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"bob","exp":9999999999}').toString('base64url')}.`],
    ['cut short', good.slice(0, -3)],
    ['not a string of Base64', `${good}é`]
  ]
  for (const [name, token] of forged) t.equal(await answerTo(made, token), 'PUSH_UNAUTHENTICATED', name)
  assertUnharmed(t, log)
})

t.test('a JWT that ends is refreshed in band, and the connection stays', async (t) => {
  const made = await startJwt(t)
  const jwtFor = (hours: number) => made.app.jwt.sign({ sub: 'alice' }, { expiresIn: `${hours}h` })
  const { peer, welcome } = await Peer.welcomed(made.url, { token: jwtFor(1), subscriptions: [{ channel: 'news', qos: 1 }] })
  t.ok(welcome.expiresIn !== undefined && welcome.expiresIn <= 3_600_000)
  const answer = await peer.ask({ type: 'token', id: 1, token: jwtFor(2) } as { id: number }, 'token')
  t.ok(answer.type === 'token' && answer.expiresIn !== undefined && answer.expiresIn > 3_600_000)
  await made.app.push.publish('news', 'still here')
  t.same(await peer.data(1), ['still here'])
  peer.send({ type: 'token', id: 2, token: jwtFor(2).slice(0, -3) })
  t.equal((await peer.ended).reason, 'PUSH_UNAUTHENTICATED')
  assertUnharmed(t, made.log)
})

t.test('@fastify/jwt in a cookie', async (t) => {
  const made = await start(t, {
    authenticate: async (request) => {
      const { sub, exp } = await request.jwtVerify<{ sub: string, exp: number }>({ onlyCookie: true })
      return { userId: sub, expiresAt: exp * 1000 }
    }
  }, async (app) => {
    await app.register(cookie)
    await app.register(jwt, { secret: SECRET, cookie: { cookieName: 'token', signed: false } })
  })
  const good = made.app.jwt.sign({ sub: 'alice' }, { expiresIn: '1h' })
  t.equal(await answerTo(made, undefined, { cookie: `token=${good}` }), 'welcome')
  t.equal(await answerTo(made, good), 'PUSH_UNAUTHENTICATED', 'only the cookie')
  t.equal(await answerTo(made, undefined, { cookie: `token=${good.slice(0, -3)}` }), 'PUSH_UNAUTHENTICATED')
  t.equal(await answerTo(made, undefined, { cookie: `token=${made.app.jwt.sign({ sub: 'alice', exp: 1 })}` }), 'PUSH_UNAUTHENTICATED')
  t.equal(await answerTo(made, undefined, { cookie: 'token=' }), 'PUSH_UNAUTHENTICATED')
  await t.rejects(Peer.open(made.url, { headers: { cookie: `token=${good}`, origin: 'https://evil.example' } }), /403/, 'cookies come along from pages of all sites')
  assertUnharmed(t, made.log)
})

t.test('@fastify/session', async (t) => {
  const made = await start(t, {
    authenticate: ({ session: { user } }) => user === undefined ? null : { userId: user }
  }, async (app) => {
    await app.register(cookie)
    await app.register(session, { secret: SECRET, cookie: { secure: false } })
    app.get('/in', async (request) => { request.session.user = 'alice' })
    app.get('/out', async (request) => { await request.session.destroy() })
  })
  const http = `http://127.0.0.1:${made.port}`
  const answer = await fetch(`${http}/in`)
  const header = String(answer.headers.get('set-cookie')).split(';')[0] as string
  t.equal(await answerTo(made, undefined, { cookie: header }), 'welcome')
  t.equal(await answerTo(made, undefined), 'PUSH_UNAUTHENTICATED')
  t.equal(await answerTo(made, undefined, { cookie: `${header.slice(0, -4)}AAAA` }), 'PUSH_UNAUTHENTICATED', 'a signature that is none')
  const peer = await Peer.owner(made.url, {}, { headers: { cookie: header } })
  await fetch(`${http}/out`, { headers: { cookie: header } })
  t.equal(await answerTo(made, undefined, { cookie: header }), 'PUSH_UNAUTHENTICATED', 'signed out')
  await made.app.push.clients({ userId: 'alice' }).disconnect({ code: 'PUSH_EXPIRED' })
  t.same(await peer.ended, { code: 4440, reason: 'PUSH_EXPIRED' }, 'and who was connected says anew who it is')
  assertUnharmed(t, made.log)
})

t.test('a session that has an end is looked up anew when its client asks to go on', async (t) => {
  const renewals: boolean[] = []
  const made = await start(t, {
    authenticate: async (request, { renewal }) => {
      renewals.push(renewal)
      if (renewal) await request.session.reload()
      const { user } = request.session
      return user === undefined ? null : { userId: user, expiresAt: Date.now() + 3_600_000 }
    }
  }, async (app) => {
    await app.register(cookie)
    await app.register(session, { secret: SECRET, cookie: { secure: false } })
    app.get('/in', async (request) => { request.session.user = 'alice' })
    app.get('/out', async (request) => { await request.session.destroy() })
  })
  const http = `http://127.0.0.1:${made.port}`
  const header = String((await fetch(`${http}/in`)).headers.get('set-cookie')).split(';')[0] as string
  const peer = await Peer.owner(made.url, {}, { headers: { cookie: header } })
  t.match(await peer.ask({ type: 'token', id: 1, token: 'any' } as { id: number }, 'token'), { type: 'token', id: 1 })
  await fetch(`${http}/out`, { headers: { cookie: header } })
  peer.send({ type: 'token', id: 2, token: 'any' })
  t.same(await peer.ended, { code: 4401, reason: 'PUSH_UNAUTHENTICATED' })
  t.same(renewals, [false, true, true])
  assertUnharmed(t, made.log)
})
