import t from 'tap'
import { freePort } from '../helpers/free-port.js'
import { Peer, secret } from '../helpers/peer.js'
import { start } from './program.js'

t.test('a JWT in a cookie: signing in, the inbox, pages of others, signing out', async (t) => {
  const port = await freePort()
  const program = start('cookie/server.js', [], { PORT: String(port) })
  t.match(await program.line(), `http://127.0.0.1:${port}/`)
  const origin = `http://127.0.0.1:${port}`
  const [url, session] = [`ws://127.0.0.1:${port}/push`, `${origin}/session`]

  const page = await fetch(origin)
  t.match(await page.text(), '<h1>Inbox</h1>')
  t.ok((await (await fetch(`${origin}/page.js`)).text()).length > 1000)
  const signIn = (name: string) => fetch(session, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name }) })
  t.equal((await signIn(' ')).status, 400)
  const answer = await signIn('alice')
  const set = String(answer.headers.get('set-cookie'))
  for (const part of ['HttpOnly', 'SameSite=Strict', 'Path=/']) t.match(set, part)
  const cookie = set.split(';')[0] as string

  const inbox = { subscriptions: [{ channel: '$inbox', qos: 1, rewind: 10 }] }
  const peer = await Peer.owner(url, inbox, { headers: { cookie, origin } })
  t.match(await peer.data(1), [{ text: /signed in/ }])
  await t.rejects(Peer.open(url, { headers: { cookie, origin: 'https://evil.example' } }), /403/, 'the cookie alone is not enough')
  const nobody = await Peer.open(url, { hello: { type: 'hello', session: secret() }, headers: { origin } })
  t.match(await nobody.ended, { reason: 'PUSH_UNAUTHENTICATED' })
  const forged = await Peer.open(url, { hello: { type: 'hello', session: secret() }, headers: { origin, cookie: `${cookie.slice(0, -5)}AAAAA` } })
  t.match(await forged.ended, { reason: 'PUSH_UNAUTHENTICATED' })

  t.equal((await fetch(session, { method: 'DELETE' })).status, 401)
  const out = await fetch(session, { method: 'DELETE', headers: { cookie } })
  t.match(out.headers.get('set-cookie'), /^session=;/)
  t.match(await peer.ended, { reason: 'PUSH_EXPIRED' }, 'says anew who it is')
  t.equal(await program.end(), 0)
})
