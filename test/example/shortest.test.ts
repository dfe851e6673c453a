import t from 'tap'
import { start } from './program.js'

t.test('the shortest program: what the server published reaches the client', async (t) => {
  const server = start('shortest/server.js', [], { PORT: '0' })
  const url = (await server.line()).replace('http', 'ws')
  const client = start('shortest/client.js', [url])
  t.match(await client.line(), /^Hello, whoever comes \{ epoch: '[\w-]+', offset: 1 \}/)
  await client.end()
  await server.end()
})
