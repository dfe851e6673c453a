import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { Peer } from '../helpers/peer.js'
import { RedisServer } from '../helpers/redis.js'
import { start } from './program.js'

const ADDRESS = /http:\/\/127\.0\.0\.1:(\d+)\//

t.test('the chat says where it is, serves its page and ends when it is told to', async (t) => {
  const program = start('chat/server.js', [], { PORT: '0' })
  const line = await program.line()
  const [url = ''] = ADDRESS.exec(line) ?? []
  t.match(line, /Ctrl\+C/, 'it says how to end it')
  const page = await fetch(url)
  t.equal(page.status, 200)
  t.match(await page.text(), '<h1>Lobby</h1>')
  t.match(page.headers.get('content-security-policy'), "default-src 'self'")
  for (const [path, type] of [['style.css', 'text/css'], ['chat.js', 'text/javascript']] as const) {
    const file = await fetch(url + path)
    t.equal(file.status, 200)
    t.match(file.headers.get('content-type'), type)
    t.ok((await file.text()).length > 1000)
  }
  t.equal(await program.end(), 0)
})

t.test('a port that is taken is no reason not to start', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const program = start('chat/server.js', [], { PORT: String(port) })
  const [url = '', found] = ADDRESS.exec(await program.line()) ?? []
  t.not(found, String(port))
  t.equal((await fetch(url)).status, 200)
  t.equal(await program.end(), 0)
  other.close()
})

t.test('with a Redis it is two nodes behind one page', async (t) => {
  const server = await RedisServer.start()
  t.teardown(() => server.stop())
  const program = start('chat/server.js', [], { PORT: '0', REDIS_URL: `redis://127.0.0.1:${server.port}` })
  const [url = ''] = ADDRESS.exec(await program.line()) ?? []
  const open = async (name: string): Promise<Peer> => {
    const answer = await fetch(`${url}token`, { method: 'POST', headers: { 'content-type': 'application/json', connection: 'close' }, body: JSON.stringify({ name }) })
    const { token } = await answer.json() as { token: string }
    return await Peer.owner(`${url.replace('http', 'ws')}push`, { token, subscriptions: [{ channel: 'room/lobby', qos: 1 }] }, { headers: { origin: url.slice(0, -1) } })
  }
  const peers = [await open('alice'), await open('bob'), await open('carol')]
  peers[0]?.send({ type: 'publish', channel: 'room/lobby', qos: 1, publisher: 'p'.repeat(16), sequence: 1, data: 'hi' })
  for (const peer of peers) t.same(await peer.data(1), ['hi'], 'on whichever node')
  t.equal(await program.end(), 0)
})
