import t from 'tap'
import type { Identity } from '../../types/index.js'
import { startApp } from '../helpers/app.js'
import { Peer, secret } from '../helpers/peer.js'

t.test('what is no identity is refused, and told the host once', async (t) => {
  const odd: unknown[] = [
    { userId: '' }, { userId: 'x'.repeat(257) }, { userId: 7 }, {}, undefined, 'alice', true,
    { userId: '\ud800' }, { userId: 'a\udc00b' },
    { userId: 'alice', expiresAt: Math.floor(Date.now() / 1000) + 3600 }, { userId: 'alice', expiresAt: '2030-01-01' }, { userId: 'alice', expiresAt: NaN }, { userId: 'alice', expiresAt: new Date('never') }
  ]
  for (const identity of odd) {
    const { url, log } = await startApp(t, { authenticate: () => identity as Identity })
    for (let i = 0; i < 2; i++) {
      const peer = await Peer.open(url, { hello: { type: 'hello', session: secret() } })
      t.same(await peer.ended, { code: 4401, reason: 'PUSH_UNAUTHENTICATED' }, JSON.stringify(identity))
    }
    t.equal(log.filter(({ level, msg }) => level === 40 && msg.includes('authenticate')).length, 1, JSON.stringify(identity))
  }
})

t.test('a plain no is no fault', async (t) => {
  const { url, log } = await startApp(t, { authenticate: () => null })
  t.equal((await (await Peer.open(url, { hello: { type: 'hello', session: secret() } })).ended).code, 4401)
  t.same(log.filter(({ level }) => level >= 40), [])
})

t.test('names of all kinds', async (t) => {
  let userId = ''
  const { url, app } = await startApp(t, { authenticate: () => ({ userId }) })
  for (userId of ['x'.repeat(256), '用户', '🎈'.repeat(128), '../c/phone', '\u0000', ' ', 'a/s/b']) {
    const { peer } = await Peer.welcomed(url)
    t.equal(app.push.stats().connections, 1, userId)
    await peer.close()
  }
})

t.test('an identity that has ended is none', async (t) => {
  for (const expiresAt of [0, -1, Date.now() - 1, new Date(), new Date(0)]) {
    const { url, log } = await startApp(t, { authenticate: () => ({ userId: 'alice', expiresAt }) })
    t.equal((await (await Peer.open(url, { hello: { type: 'hello', session: secret() } })).ended).code, 4401, String(expiresAt))
    t.ok(log.some(({ level, msg }) => level === 20 && /not authenticated|refused/.test(msg)), 'the log can say why')
  }
})
