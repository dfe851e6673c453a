import t, { type Test } from 'tap'
import { Peer, secret } from '../helpers/peer.js'
import { PING, RawClient, TEXT, clientFrame, type FrameShape } from '../helpers/raw.js'
import { startServer, type ServerProcess, type ServerProcessOptions } from '../helpers/server-process.js'

const MB = 1024 * 1024
const PONG = 10

interface Scene extends ServerProcess {
  /** Does it twice. Others are served as ever, and the second time the process holds at most so many bytes more than after the first. */
  harmless (t: Test, more: number, attack: () => Promise<void>): Promise<void>
}

/** A server in a process of its own, and two connections that must not notice anything. */
async function setUp (t: Test, limits: ServerProcessOptions['limits'] = {}): Promise<Scene> {
  const server = await startServer(t, { limits: { closeGrace: 200, ...limits } })
  const reader = await Peer.owner(server.url, { subscriptions: [{ channel: 'room/healthy', qos: 1 }] })
  const writer = await Peer.owner(server.url)
  const publisher = secret()
  let sequence = 0
  const roundTrips = async (): Promise<void> => {
    for (const end = sequence + 50; sequence < end;) {
      writer.send({ type: 'publish', channel: 'room/healthy', qos: 1, sequence: ++sequence, ...sequence === 1 ? { publisher } : {}, data: sequence })
      const [data] = await reader.data(1)
      if (data !== sequence) throw new Error(`got ${String(data)} and not ${sequence}`)
    }
  }
  return {
    ...server,
    harmless: async (t, more, attack) => {
      await attack() // code is compiled, pools have grown
      await roundTrips()
      const before = await server.usage()
      await attack()
      await roundTrips()
      const { rss, warnings } = await server.usage()
      t.ok(rss - before.rss < more, `${((rss - before.rss) / MB).toFixed(1)} MB more`)
      t.same(warnings.filter(({ level }) => level >= 50), [], 'nothing is logged as an error')
    }
  }
}

const times = (count: number, frame: Buffer): Buffer => Buffer.concat(Array<Buffer>(count).fill(frame))

async function greeted (port: number): Promise<RawClient> {
  const client = new RawClient(port, { extra: clientFrame({ payload: JSON.stringify({ type: 'hello', session: secret() }) }) })
  await client.json('welcome')
  return client
}

t.test('frames over the limit, whole, claimed and in fragments', async (t) => {
  const { port, harmless } = await setUp(t)
  const half = Buffer.alloc(40 * 1024, 0x20)
  const cases: FrameShape[][] = [
    [{ payload: Buffer.alloc(5 * MB, 0x20) }],
    [{ length: 1n << 31n, payload: Buffer.alloc(MB, 0x20) }],
    [{ fin: false, payload: half }, ...Array<FrameShape>(100).fill({ opcode: 0, fin: false, payload: half })]
  ]
  const attacks = cases.map((shapes) => Buffer.concat(shapes.map(clientFrame)))
  await harmless(t, 20 * MB, async () => {
    for (const bytes of [...attacks, ...attacks, ...attacks]) {
      const client = await greeted(port)
      client.write(bytes)
      t.equal(await client.closeCode(), 1009)
      client.socket.destroy()
    }
  })
})

t.test('200,000 fragments of a message that never ends', async (t) => {
  const { port, harmless } = await setUp(t)
  await harmless(t, 20 * MB, async () => {
    for (const payload of ['', 'x']) {
      const client = await greeted(port)
      client.write(clientFrame({ opcode: TEXT, fin: false }), times(200_000, clientFrame({ opcode: 0, fin: false, payload })))
      t.equal(await client.closeCode(), 1008)
      client.socket.destroy()
    }
  })
})

t.test('messages of a thousand empty fragments each count for the bytes they came in', async (t) => {
  const { port, harmless } = await setUp(t, { bytesPerSecond: 10_000 })
  const message = Buffer.concat([clientFrame({ fin: false }), times(1000, clientFrame({ opcode: 0, fin: false })), clientFrame({ opcode: 0, payload: '{"type":"pong"}' })])
  const clients: RawClient[] = []
  await harmless(t, 20 * MB, async () => {
    const client = await greeted(port)
    client.write(times(5000, message))
    clients.push(client)
  })
  for (const { socket } of clients) {
    t.ok(socket.writableLength > 10 * MB, 'it is not read')
    socket.destroy()
  }
})

t.test('subscribing to everything there is', async (t) => {
  const { url, usage, harmless } = await setUp(t)
  await harmless(t, 40 * MB, async () => {
    const peer = await Peer.owner(url)
    const answers = { subscribed: 0, refused: 0 }
    for (let id = 0; id < 5000;) {
      const batch = Array.from({ length: 500 }, () => ({ type: 'subscribe', id, channel: `room/${id++}`, qos: 1 }))
      for (const answer of await Promise.all(batch.map((request) => peer.ask(request, 'subscribed')))) {
        if (answer.type === 'subscribed') answers.subscribed++
        else if (answer.limit === 'subscriptions' && answer.code === 'PUSH_TOO_MANY') answers.refused++
      }
    }
    t.same(answers, { subscribed: 1000, refused: 4000 })
    await peer.barrier()
    await peer.close()
  })
  t.match((await usage()).stats, { subscriptions: 1, channels: 1 })
})

t.test('subscribing and unsubscribing thousands of times in a row', async (t) => {
  const { url, usage, harmless } = await setUp(t)
  await harmless(t, 40 * MB, async () => {
    const peer = await Peer.owner(url)
    for (let id = 0; id < 10_000;) {
      for (const end = id + 500; id < end; id += 2) {
        const channel = `quiet/${id % 3000}`
        peer.send({ type: 'subscribe', id, channel, qos: 1 })
        peer.send({ type: 'unsubscribe', id: id + 1, channel })
      }
      await peer.take('unsubscribed', (frame) => frame.id === id - 1)
      peer.frames.length = 0
    }
    await peer.barrier()
    t.match((await usage()).stats, { subscriptions: 1, channels: 1 })
    await peer.close()
  })
})

t.test('a flood of publishes from one connection', async (t) => {
  const { port, usage, harmless } = await setUp(t, { framesPerSecond: 500 })
  const publish = clientFrame({ payload: JSON.stringify({ type: 'publish', channel: 'room/flood', qos: 0, data: 'x'.repeat(500) }) })
  const clients: RawClient[] = []
  await harmless(t, 20 * MB, async () => {
    const client = await greeted(port)
    client.write(times(50_000, publish))
    clients.push(client)
  })
  t.match((await usage()).stats, { connections: 4 }, 'nobody is closed')
  for (const { socket } of clients) {
    t.ok(socket.writableLength > 10 * MB, 'but slowed down')
    socket.destroy()
  }
})

t.test('a flood of publishes that wait for no answer', async (t) => {
  const { port, harmless } = await setUp(t)
  const publisher = secret()
  const run = Buffer.concat(Array.from({ length: 5000 }, (_, i) => clientFrame({ payload: JSON.stringify({ type: 'publish', channel: 'room/flood', qos: 1, publisher, sequence: i + 1, data: i }) })))
  await harmless(t, 20 * MB, async () => {
    const client = await greeted(port)
    client.write(run)
    t.match(await client.json('goodbye'), { code: 'PUSH_TOO_MANY' })
    t.equal(await client.closeCode(), 4429)
    client.socket.destroy()
  })
})

t.test('a flood of pings: each would be answered', async (t) => {
  const { port, harmless } = await setUp(t)
  for (const payload of ['', 'x'.repeat(125)]) {
    const pings = times(100_000, clientFrame({ opcode: PING, payload }))
    await harmless(t, 20 * MB, async () => {
      const client = await greeted(port)
      client.write(pings)
      await client.gone
      client.socket.destroy()
    })
  }
})

t.test('a flood of pongs', async (t) => {
  const { port, harmless } = await setUp(t, { framesPerSecond: 500 })
  const pongs = times(200_000, clientFrame({ opcode: PONG, payload: 'x'.repeat(125) }))
  const clients: RawClient[] = []
  await harmless(t, 20 * MB, async () => {
    const client = await greeted(port)
    client.write(pongs)
    clients.push(client)
  })
  for (const { socket } of clients) {
    t.ok(socket.writableLength > 10 * MB, 'it is slowed down')
    socket.destroy()
  }
})
