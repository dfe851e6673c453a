import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
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
