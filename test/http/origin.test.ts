import type { IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { SUBPROTOCOL } from '../../lib/protocol/version.js'
import type { FastifyPushOptions } from '../../types/index.js'
import { startApp, type HostOptions } from '../helpers/app.js'

/** Tries to connect as a page would, and says with which HTTP status that was answered. */
function statusOf (url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve) => {
    const webSocket = new WebSocket(url, [SUBPROTOCOL], { headers })
    webSocket.on('error', () => {})
    webSocket.on('unexpected-response', (_request, response: IncomingMessage) => {
      resolve(response.statusCode ?? 0)
      response.destroy()
    })
    webSocket.on('open', () => {
      resolve(101)
      webSocket.terminate()
    })
  })
}

async function start (t: Test, origins?: FastifyPushOptions['origins'], host: HostOptions = {}) {
  let asked = 0
  const { url, port, log } = await startApp(t, {
    ...(origins === undefined ? {} : { origins }),
    authenticate: () => {
      asked++
      return { userId: 'alice' }
    }
  }, () => {}, host)
  return { url, port, log, asked: () => asked, connect: (headers: Record<string, string>) => statusOf(url, headers) }
}

t.test('by default a page of the same host, and whatever is no page', async (t) => {
  const { connect, port, log, asked } = await start(t)
  t.equal(await connect({}), 101)
  for (const origin of [`http://127.0.0.1:${port}`, `https://127.0.0.1:${port}`]) t.equal(await connect({ origin }), 101, origin)
  const foreign = ['http://127.0.0.1', `http://127.0.0.1:${port + 1}`, `http://127.0.0.2:${port}`, `http://127.0.0.1.evil.example:${port}`, 'null', 'evil', '', 'file://',
    `http://evil.example, http://127.0.0.1:${port}`]
  for (const origin of foreign) t.equal(await connect({ origin }), 403, origin)
  t.equal(asked(), 0, 'nobody said hello, and nobody was asked who it is')
  t.equal(log.filter(({ level, msg }) => level === 40 && msg.includes('origin')).length, 1, 'one warning, not a flood of them')
})

t.test('a port that is the scheme’s own may be written or left out', async (t) => {
  const { connect } = await start(t)
  t.equal(await connect({ host: 'example.com', origin: 'https://example.com' }), 101)
  t.equal(await connect({ host: 'example.com:443', origin: 'https://example.com' }), 101)
  t.equal(await connect({ host: 'EXAMPLE.com', origin: 'http://example.com' }), 101)
  t.equal(await connect({ host: 'example.com:80', origin: 'https://example.com' }), 403)
  t.equal(await connect({ host: 'exa mple', origin: 'https://example.com' }), 403)
})

t.test('headers of a proxy count where the host trusts it, and nowhere else', async (t) => {
  const headers = { origin: 'https://shop.example', 'x-forwarded-host': 'shop.example', 'x-forwarded-proto': 'https' }
  t.equal(await (await start(t)).connect(headers), 403)
  t.equal(await (await start(t, undefined, { trustProxy: true })).connect(headers), 101)
  const listed = await start(t, ['https://shop.example'])
  t.equal(await listed.connect({ ...headers, origin: 'https://evil.example' }), 403)
})

t.test('a list: scheme, host and port', async (t) => {
  const { connect, port } = await start(t, ['https://shop.example', 'http://localhost:8080/', 'capacitor://localhost', 'https://MÜLLER.example:443'])
  for (const origin of ['https://shop.example', 'http://localhost:8080', 'capacitor://localhost', 'https://xn--mller-kva.example']) t.equal(await connect({ origin }), 101, origin)
  t.equal(await connect({}), 101, 'no page')
  for (const origin of ['http://shop.example', 'https://shop.example:8443', 'https://a.shop.example', 'http://localhost', `http://127.0.0.1:${port}`, 'null']) t.equal(await connect({ origin }), 403, origin)
})

t.test('a function', async (t) => {
  const { connect, log } = await start(t, (origin, request) => {
    if (origin === 'https://throws.example') throw new Error('bug')
    return origin?.endsWith('.example') === true && request.headers['x-yes'] !== undefined && (request.headers['x-yes'] === '1' || ('1' as unknown as boolean))
  })
  t.equal(await connect({ origin: 'https://a.example', 'x-yes': '1' }), 101)
  t.equal(await connect({ origin: 'https://a.example', 'x-yes': '2' }), 403, 'only true is a yes')
  t.equal(await connect({ origin: 'https://a.example' }), 403)
  t.equal(await connect({}), 403, 'it is asked about what is no page, too')
  t.equal(await connect({ origin: 'https://throws.example' }), 403)
  t.match(log.filter(({ level }) => level >= 50), [{ err: { message: 'bug' } }])
})

t.test("'*' allows all", async (t) => {
  const { connect } = await start(t, '*')
  for (const origin of ['https://evil.example', 'null']) t.equal(await connect({ origin }), 101)
})

t.test('what is no origin', async (t) => {
  for (const origins of [['*'], ['shop.example'], ['https://shop.example/path'], ['https://user@shop.example'], ['file://'], ['null'], [7], 'https://shop.example', {}] as unknown[]) {
    await t.rejects(startApp(t, { origins } as FastifyPushOptions), { code: 'PUSH_OPTIONS' }, JSON.stringify(origins))
  }
})

t.test('a plain request is told what this is, whatever its origin', async (t) => {
  const { port } = await start(t)
  t.equal((await fetch(`http://127.0.0.1:${port}/push`, { headers: { origin: 'https://evil.example' } })).status, 426)
})
