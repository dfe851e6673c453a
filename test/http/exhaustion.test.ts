import t from 'tap'
import { Peer, secret } from '../helpers/peer.js'
import { RawClient, clientFrame } from '../helpers/raw.js'
import { startServer } from '../helpers/server-process.js'

t.test('a process that has no file left refuses new connections and keeps those it has', async (t) => {
  const { url, usage } = await startServer(t, { openFiles: 300 })
  const peers: Peer[] = []
  let refused = 0
  while (refused < 50) {
    try {
      peers.push((await Peer.welcomed(url, { subscriptions: [{ channel: 'room/1', qos: 1 }] })).peer)
    } catch {
      refused++
    }
  }
  t.ok(peers.length > 100 && peers.length < 300, `${peers.length} connections`)
  const [first, second] = peers as [Peer, Peer]
  first.send({ type: 'publish', channel: 'room/1', qos: 1, publisher: secret(), sequence: 1, data: 'on' })
  t.same(await second.data(1), ['on'])
  for (const peer of peers.slice(10)) await peer.close()
  await Peer.owner(url)
  const { stats, warnings } = await usage()
  t.match(stats, { connections: 11 })
  t.ok(warnings.length < 10, 'no flood in the log')
})

t.test('a process whose heap is nearly full refuses new connections before it dies, and serves those it has', async (t) => {
  const { port, url, usage } = await startServer(t, { args: ['--max-old-space-size=150'] })
  const reader = await Peer.owner(url, { subscriptions: [{ channel: 'room/1', qos: 1 }] })
  const writer = await Peer.owner(url)
  const clients: RawClient[] = []
  let refused = 0
  for (let i = 0; refused < 200 && i < 20_000; i++) {
    const subscriptions = Array.from({ length: 100 }, (_, k) => ({ channel: `quiet/${i}.${k}`, qos: 1 }))
    const client = new RawClient(port, { extra: clientFrame({ payload: JSON.stringify({ type: 'hello', session: secret(), subscriptions }) }) })
    if ((await client.answered).includes(' 101 ')) {
      await client.json('welcome')
      clients.push(client)
    } else {
      refused++
      client.socket.destroy()
    }
  }
  t.equal(refused, 200)
  t.comment(`${clients.length} connections`)
  for (const data of [1, 2, 3]) {
    writer.send({ type: 'publish', channel: 'room/1', qos: 1, publisher: secret(), sequence: data, data })
    t.same(await reader.data(1), [data])
  }
  t.equal((await usage()).stats.connections, clients.length + 2)
  for (const { socket } of clients) socket.destroy()
  const recovered = async () => Peer.owner(url).then(() => true, () => false)
  while (!await recovered());
})
