import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { PushError } from '../../lib/core/errors.js'
import { startApp } from '../helpers/app.js'
import { Peer, helloOffer, secret } from '../helpers/peer.js'
import { RawClient, clientFrame } from '../helpers/raw.js'
import { overStorage } from '../helpers/node.js'

const hello = (more: object = {}) => ({ type: 'hello', session: secret(), ...more })

t.test('[P-8.1] clients are told beforehand, when to come back, and why', async (t) => {
  const { app, url } = await startApp(t)
  const peers = await Promise.all([1, 2, 3].map(() => Peer.owner(url)))
  const closed = app.close()
  for (const peer of peers) {
    const goodbye = await peer.take('goodbye')
    t.equal(goodbye.code, 'PUSH_GOING_AWAY')
    t.match(goodbye.after, [0, Number])
    t.same(await peer.ended, { code: 1012, reason: 'PUSH_GOING_AWAY' })
  }
  await closed
})

t.test('connections in every state end', async (t) => {
  const { app, url } = await startApp(t, { authenticate: (_request, { token }) => token === 'hangs' ? new Promise(() => {}) : { userId: 'a' } })
  const silent = await Peer.open(url)
  const greeting = await Peer.open(url, { hello: hello({ token: 'hangs' }) })
  const guest = await Peer.open(url, { hello: hello() })
  await guest.take('welcome')
  await app.close()
  for (const peer of [silent, greeting, guest]) t.same(await peer.ended, { code: 1012, reason: 'PUSH_GOING_AWAY' })
})

t.test('closing is bounded', async (t) => {
  const GRACE = 50
  t.test('by a peer that never answers the close frame', async (t) => {
    const { app, port } = await startApp(t, { limits: { closeGrace: GRACE } })
    const client = new RawClient(port, { extra: clientFrame({ payload: JSON.stringify(hello()) }) })
    await client.json('welcome')
    await app.close()
    t.equal(await client.closeCode(), 1012)
    client.socket.destroy()
  })

  t.test('by a peer that does not read, with full buffers', async (t) => {
    const { app, url } = await startApp(t, { limits: { closeGrace: GRACE, bufferedBytes: 1024 * 1024 } })
    const peer = await Peer.owner(url, { subscriptions: [{ channel: 'news', qos: 0 }] })
    peer.webSocket.pause()
    const big = 'x'.repeat(256 * 1024)
    while (app.push.stats().dropped === 0) {
      await app.push.publish('news', big)
      await setImmediate() // what is published leaves at the end of the tick
    }
    await app.close()
    peer.webSocket.terminate()
  })

  t.test('by a storage that hangs', async (t) => {
    const memory = memoryStorage()
    const storage = overStorage(memory, { cursors: () => ({ commit: () => new Promise(() => {}) }) })
    const { app, url } = await startApp(t, { storage, limits: { closeGrace: GRACE } })
    const peer = await Peer.owner(url, { subscriptions: [{ channel: 'news', qos: 1 }] })
    await app.close()
    t.equal((await peer.ended).code, 1012)
  })

  t.test('by an upgrade that a hook refused', async (t) => {
    const { app, url } = await startApp(t, {}, (app) => {
      app.addHook('onRequest', async (_request, reply) => reply.code(403).send())
    })
    await t.rejects(Peer.open(url), /403/)
    await app.close()
  })

  t.test('by an upgrade of what is no WebSocket', async (t) => {
    const { app, port } = await startApp(t)
    const client = new RawClient(port, { path: '/nowhere' })
    t.match(await client.answered, /404/)
    await client.gone
    client.socket.destroy()
    await app.close()
  })
})

t.test('an upgrade while closing', async (t) => {
  const refusedOrClosed = async (t: Test, client: RawClient) => {
    const head = await Promise.race([client.answered, client.gone])
    if (head === undefined) return t.pass('not let in')
    if (!head.includes(' 101 ')) return t.match(head, / 503 /)
    t.equal(await client.closeCode(), 1012)
  }

  t.test('that is in a hook of the host when closing begins', async (t) => {
    let proceed = () => {}
    let arrived = () => {}
    const inHook = new Promise<void>((resolve) => { arrived = resolve })
    const { app, port } = await startApp(t, { limits: { closeGrace: 50 } }, (app) => {
      app.addHook('onRequest', async () => {
        arrived()
        await new Promise<void>((resolve) => { proceed = resolve })
      })
    })
    const client = new RawClient(port, { protocols: ['fastify-push.1', helloOffer(hello())] })
    await inHook
    const closed = app.close()
    proceed()
    await refusedOrClosed(t, client)
    client.socket.destroy()
    await closed
    t.equal(app.push.stats().connections, 0)
  })

  t.test('that comes when the goodbyes are under way', async (t) => {
    const { app, port } = await startApp(t, { limits: { closeGrace: 200 } })
    const slow = new RawClient(port, { extra: clientFrame({ payload: JSON.stringify(hello()) }) })
    await slow.json('welcome')
    const closed = app.close()
    await slow.closeCode()
    const client = new RawClient(port)
    await refusedOrClosed(t, client)
    client.socket.destroy()
    slow.socket.destroy()
    await closed
  })
})

t.test('closing twice, and while publishing', async (t) => {
  const { app } = await startApp(t)
  const publishes = Array.from({ length: 50 }, (_, i) => app.push.publish('news', i))
  const results = Promise.allSettled(publishes)
  await Promise.all([app.close(), app.close()])
  for (const result of await results) {
    if (result.status === 'rejected') t.ok(result.reason instanceof PushError)
  }
})

t.test('the sockets are gone: the server has let go of all of them', async (t) => {
  const { app, url } = await startApp(t)
  const peer = await Peer.owner(url)
  const closed = once(app.server, 'close')
  await app.close()
  await closed
  await peer.ended
  t.equal(app.push.stats().connections, 0)
})
