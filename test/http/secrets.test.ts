import { Writable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import fastifyPush from '../../lib/index.js'
import { SUBPROTOCOL } from '../../lib/protocol/version.js'
import type { FastifyPushOptions } from '../../types/index.js'
import { listen } from '../helpers/app.js'
import { Peer, helloOffer, secret } from '../helpers/peer.js'

const TOKEN = 'a-token-that-nobody-may-read'

/** A host that logs whatever it has of a request, as some do. */
async function start (t: Test, options: FastifyPushOptions) {
  const lines: string[] = []
  const headers: unknown[] = []
  const all = ({ headers, raw }: Pick<FastifyRequest, 'headers' | 'raw'>) => ({ headers, raw: raw.headers, rawHeaders: raw.rawHeaders, distinct: raw.headersDistinct })
  const logger = {
    level: 'trace',
    serializers: { req: all },
    stream: new Writable({ write (chunk, _encoding, done) { lines.push(String(chunk)); done() } })
  }
  const app: FastifyInstance = Fastify({ logger })
  app.addHook('onRequest', async (request) => {
    headers.push(request.headers['sec-websocket-protocol'])
    if (request.headers['x-refuse'] !== undefined) throw Object.assign(new Error('refused'), { statusCode: 401 })
  })
  app.addHook('onResponse', async (request) => { request.log.info({ seen: all(request) }, 'answered') })
  app.addHook('onError', async (request, _reply, error) => { request.log.info({ seen: all(request), err: error }, 'failed') })
  await app.register(fastifyPush, options)
  const port = await listen(t, app)
  /** Everything of the hello that somebody could read, however it is written. */
  const leaks = () => lines.filter((line) => [TOKEN, 'fastify-push.hello.', Buffer.from(TOKEN).toString('base64url').slice(2, -4)].some((text) => line.includes(text)))
  return { url: `ws://127.0.0.1:${port}/push`, port, lines, headers, leaks, app }
}

const hello = () => ({ type: 'hello', session: secret(), token: TOKEN })

t.test('no log shows the token of a hello in the upgrade', async (t) => {
  let seen: unknown
  const { url, lines, headers, leaks } = await start(t, {
    authenticate: (request, { token }) => {
      request.log.info({ req: request }, 'who is it')
      seen = token
      return { userId: 'alice' }
    }
  })
  const { peer } = await Peer.welcomed(url, { token: TOKEN })
  t.equal(seen, TOKEN, 'it was read')
  t.equal(headers[0], SUBPROTOCOL, 'what else was offered is there')
  t.equal(peer.webSocket.protocol, SUBPROTOCOL)
  await peer.close()
  t.ok(lines.some((line) => line.includes('sec-websocket-key')), 'headers are logged')
  t.same(leaks(), [])
})

t.test('nor when something goes wrong', async (t) => {
  const failing: FastifyPushOptions[] = [
    { authenticate: () => null },
    { authenticate: () => { throw new Error('bug') } },
    { authenticate: () => new Promise(() => {}), limits: { hookTimeout: 20 } },
    { authenticate: () => ({ userId: '\ud800' }) },
    { authenticate: () => ({ userId: 'alice', expiresAt: 1 }) }
  ]
  for (const options of failing) {
    const { url, leaks } = await start(t, options)
    const peer = await Peer.open(url, { hello: hello() })
    await peer.ended
    t.same(leaks(), [])
  }
})

t.test('nor when the upgrade is refused, or is none', async (t) => {
  const { url, port, lines, leaks } = await start(t, { authenticate: () => ({ userId: 'alice' }), origins: [] })
  await t.rejects(Peer.open(url, { hello: hello(), headers: { 'x-refuse': '1' } }), /401/)
  await t.rejects(Peer.open(url, { hello: hello(), headers: { origin: 'https://evil.example' } }), /403/)
  await t.rejects(Peer.open(url.replace('/push', '/elsewhere'), { hello: hello() }), /404/)
  t.ok(lines.some((line) => line.includes('failed')))
  t.same(leaks(), [])
  // A proxy that forwards no upgrade makes a plain request of it.
  await fetch(`http://127.0.0.1:${port}/push`, { headers: { 'sec-websocket-protocol': `${SUBPROTOCOL}, ${helloOffer(hello())}` } })
  t.same(leaks(), [])
})

t.test('nor with a hello or a token in a frame', async (t) => {
  const { url, leaks } = await start(t, { authenticate: (_request, { token }) => token === TOKEN ? { userId: 'alice', expiresAt: Date.now() + 60_000 } : null })
  const peer = await Peer.open(url)
  peer.send(hello())
  await peer.take('welcome')
  peer.send({ type: 'token', id: 1, token: TOKEN })
  t.match(await peer.take('token'), { id: 1 })
  peer.sendText(`{"type":"token","id":"${TOKEN}"`)
  t.match(await peer.take('goodbye'), { code: 'PUSH_BAD_FRAME' })
  await peer.ended
  t.same(leaks(), [])
})

t.test('offered headers of all shapes', async (t) => {
  const { url, leaks, headers } = await start(t, {})
  const offers = [[helloOffer(hello()), SUBPROTOCOL], [SUBPROTOCOL, helloOffer(hello()), helloOffer(hello())], [SUBPROTOCOL, helloOffer({ ...hello(), pad: 'x'.repeat(5000) })]]
  for (const protocols of offers) await (await Peer.open(url, { protocols })).close()
  t.same(headers, offers.map(() => SUBPROTOCOL))
  t.equal(await Peer.open(url, { protocols: [helloOffer(hello())] }).catch(({ message }) => message), 'Server sent no subprotocol', 'the hello is none that could be selected')
  t.equal(headers.at(-1), undefined)
  t.same(leaks(), [])
})
