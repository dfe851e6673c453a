import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'
import { startApp } from '../helpers/app.js'
import { Peer } from '../helpers/peer.js'
import { startBrowser } from './browser.js'

t.setTimeout(240_000) // a browser on a busy machine

/** What the page leaves for the test to see. */
interface PageGlobals {
  webSocket?: WebSocket
  got?: unknown[]
  publish?: (data: unknown) => Promise<unknown>
}

const PAGE = `
import { createClient } from './lib/client/browser.js'
globalThis.WebSocket = class extends WebSocket {
  constructor (...args) {
    super(...args)
    globalThis.webSocket = this
  }
}
const room = createClient('ws://' + location.host + '/push').channel('room/1')
globalThis.got = []
room.subscribe(({ data }) => { got.push(data) }, { qos: 2, rewind: 10 })
globalThis.publish = (data) => room.publish(data, { qos: 2 })
`

const root = fileURLToPath(new URL('.', import.meta.resolve('fastify-push/package.json')))

async function bundle (): Promise<string> {
  const { outputFiles } = await build({ stdin: { contents: PAGE, resolveDir: root }, bundle: true, format: 'esm', target: 'es2022', write: false })
  return outputFiles[0]?.text ?? ''
}

/** 20 KB that compress to much less, of all kinds of characters. */
const large = (name: string) => ({ name, text: 'Größe 漢字 🎈 and plain words. '.repeat(500) })

t.test('[P-2.2] a browser offers compression, and large messages arrive intact both ways', async (t) => {
  const sockets: Socket[] = []
  const script = await bundle()
  const { app, url, port } = await startApp(t, { compression: true }, (app) => {
    app.server.on('upgrade', (_request, socket) => { sockets.push(socket as Socket) })
    app.get('/', (_request, reply) => reply.type('text/html').send('<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>'))
    app.get('/page.js', (_request, reply) => reply.type('text/javascript').send(script))
  })
  await app.push.publish('room/1', large('before'))
  const browser = await startBrowser()
  t.teardown(() => browser.close())
  const page = await browser.open(`http://127.0.0.1:${port}/`)
  const until = (count: number) => page.waitForFunction((count) => (globalThis as PageGlobals).got?.length === count, count)
  await until(1)
  await app.push.publish('room/1', large('live'))
  await until(2)
  t.match(await page.evaluate(() => (globalThis as PageGlobals).webSocket?.extensions), /^permessage-deflate/)

  const reader = await Peer.owner(url, { subscriptions: [{ channel: 'room/1', qos: 1 }] })
  await page.evaluate((data) => (globalThis as PageGlobals).publish?.(data), large('from the page'))
  t.same(await reader.data(1), [large('from the page')])
  await until(3)
  t.same(await page.evaluate(() => (globalThis as PageGlobals).got), [large('before'), large('live'), large('from the page')])

  const { bytesRead, bytesWritten } = sockets[0] as Socket
  t.ok(bytesRead < 10_000, 'what the page sent was compressed')
  t.ok(bytesWritten < 10_000, 'what it got, too')
  t.same(browser.complaints, [])
})
