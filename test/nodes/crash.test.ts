import t from 'tap'
import { TcpProxy } from '../helpers/tcp-proxy.js'
import { Fleet, hear, until } from './fleet.js'

const ROOM = 'room/1'

t.test('a node is killed between the script and its answer: others have the message, and a retry stores nothing more', async (t) => {
  const fleet = await Fleet.start(t, 2)
  const link = await TcpProxy.start(fleet.redis.port)
  t.teardown(() => link.close())
  const watching = hear(fleet.open(fleet.node(1).url, { clientId: 'bob', token: 'bob' }), ROOM)
  await watching.ready
  const expected: unknown[] = ['first']
  await fleet.publish(ROOM, 'first', 'first') // Redis knows the script from now on
  for (let round = 1; round <= 5; round++) {
    await fleet.node(0).kill()
    await fleet.restart(0, { redis: { port: link.port } })
    const alice = fleet.client(0, { clientId: `alice-${round}`, userId: 'alice' })
    await hear(alice, ROOM).ready
    // What is asked arrives, what is answered does not.
    link.stall('down')
    const [ofHost, ofClient] = [`host ${round}`, `client ${round}`]
    const lost = fleet.node(0).call('publish', ROOM, ofHost, { id: `id-${round}` }).then(() => 'ok', (error: Error) => error.message)
    await until(() => watching.data.includes(ofHost), 'the script ran, and the other node has it')
    const settled = alice.channel(ROOM).publish(ofClient)
    await fleet.node(0).kill()
    link.resume()
    t.equal(await lost, 'the node ended', 'the host knows nothing')
    t.match(await fleet.node(1).call('publish', ROOM, ofHost, { id: `id-${round}` }), { duplicate: true }, 'under its id it is known')
    await settled
    expected.push(ofHost, ofClient)
    await until(() => watching.data.length >= expected.length, 'the other node has both')
    await alice.close()
  }
  t.same(await fleet.log(ROOM, 1), expected, 'each is stored once')
  t.same(watching.data, expected, 'and was heard once, in order')
})

t.test('the same while a client publishes: it sends again to the other node, and each is stored once', async (t) => {
  const fleet = await Fleet.start(t, 2)
  const link = await TcpProxy.start(fleet.redis.port)
  t.teardown(() => link.close())
  const watching = hear(fleet.open(fleet.node(1).url, { clientId: 'bob', token: 'bob' }), ROOM)
  await watching.ready
  await fleet.node(0).kill()
  await fleet.restart(0, { redis: { port: link.port } })
  const alice = fleet.client(0, { clientId: 'alice', userId: 'alice' })
  const heard = hear(alice, ROOM)
  await heard.ready
  for (const qos of [1, 2] as const) {
    const text = `at QoS ${qos}`
    await alice.channel(ROOM).publish(`before ${text}`) // from now on each costs one script alone, which Redis knows
    link.stall('down')
    const settled = alice.channel(ROOM).publish(text, { qos })
    await until(() => watching.data.includes(text), 'the script ran')
    await fleet.node(0).kill()
    link.resume()
    t.match(await settled, { duplicate: true }, 'the other node knows it')
    await fleet.restart(0, { redis: { port: link.port } })
    alice.reconnect() // to the next one
    await until(() => alice.state === 'live', 'it is back')
  }
  await fleet.publish(ROOM, 'end', 'end')
  await until(() => heard.data.length >= 5 && watching.data.length >= 5, 'all is there')
  for (const data of [heard.data, watching.data, await fleet.log(ROOM, 1)]) t.same(data, ['before at QoS 1', 'at QoS 1', 'before at QoS 2', 'at QoS 2', 'end'])
})

t.test('the node of whoever reads for all of a user is killed: another client goes on, on another node, when the lease has run out', async (t) => {
  const fleet = await Fleet.start(t, 2, { push: { heartbeat: { interval: 1000, timeout: 1000 } } })
  const handled: string[] = []
  for (const [clientId, i] of [['phone', 0], ['laptop', 1]] as const) {
    const client = fleet.open(fleet.node(i).url, { clientId, token: 'alice' })
    await client.inbox.any.subscribe(({ data }) => { handled.push(`${clientId} ${String(data)}`) }).ready
  }
  for (const job of [1, 2]) await fleet.node(1).call('send', 'alice', job, { deliver: 'any' })
  await until(() => handled.length === 2, 'the first one handles them')
  await until(async () => await fleet.node(1).call('unread', 'alice', { deliver: 'any' }) === 0, 'and they are acknowledged')
  await fleet.node(0).kill()
  const killedAt = performance.now()
  for (const job of [3, 4]) await fleet.node(1).call('send', 'alice', job, { deliver: 'any' })
  await until(() => handled.length >= 4, 'the other one handles the rest')
  t.comment(`${Math.round(performance.now() - killedAt)} ms after the kill, with a lease of 3 s`)
  t.same(handled, ['phone 1', 'phone 2', 'laptop 3', 'laptop 4'])
})
