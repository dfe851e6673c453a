import t from 'tap'
import { sessionKeyOf } from '../../lib/broker/session-key.js'
import { PushError } from '../../lib/core/errors.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { openNode, overStorage, settled } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'

const room = 'room/1'
const toRoom = [{ channel: room, qos: 1 }]
const goodbyeOf = (peer: { last (type: 'goodbye'): { code: string } | undefined }) => peer.last('goodbye')?.code

t.test('[P-2.5] the welcome', async (t) => {
  const { own, hello, broker } = await openNode({ heartbeat: { interval: '20s', timeout: '5s' }, limits: { frameBytes: 1000, publishesInFlight: 7 } })
  await broker.publish(room, 1)
  const peer = await hello({ clientId: 'phone', subscriptions: [...toRoom, { channel: 'nowhere', qos: 1 }, { channel: 'a b', qos: 1 }] })
  const { epoch } = (await broker.history(room)).head
  t.same(peer.last('welcome'), {
    type: 'welcome',
    clientId: 'phone',
    resumed: false,
    sessionTtl: 30 * 86_400_000,
    heartbeat: { interval: 20_000, timeout: 5000 },
    spread: 1,
    limits: { frameBytes: 1000, publishesInFlight: 7 },
    subscriptions: [{ channel: room, qos: 1, verdict: 'started', position: { epoch, offset: 1 } }, { channel: 'nowhere', code: 'PUSH_CHANNEL_UNKNOWN' }, { channel: 'a b', code: 'PUSH_CHANNEL_INVALID' }]
  })
  const session = secret()
  const unnamed = await own({ session })
  t.match(unnamed.last('welcome'), { sessionTtl: 120_000, resumed: false })
  t.notMatch(unnamed.last('welcome')?.clientId, session, 'the secret is never shown')
  t.match((await own({ session })).last('welcome'), { resumed: true, clientId: unnamed.last('welcome')?.clientId })
})

t.test('[P-2.5] nothing before the welcome, whatever arrives meanwhile', async (t) => {
  let proceed = () => {}
  const { connect, broker, errors } = await openNode({
    authorize: ({ channel }) => channel !== 'news' || new Promise((resolve) => { proceed = () => resolve(true) })
  })
  const peer = await connect().send({
    type: 'hello', session: secret(), subscriptions: [{ channel: room, qos: 1 }, { channel: 'room/2', qos: 0 }, { channel: 'quiet/1', qos: 1 }, { channel: 'news', qos: 1 }]
  })
  await broker.publish(room, 'one')
  await broker.publish('room/2', 'two')
  await broker.publish('quiet/1', 'three', { qos: 0 })
  await settled()
  t.same(peer.socket.frames, [])
  proceed()
  await settled()
  t.equal(peer.socket.frames[0]?.type, 'welcome')
  t.same(peer.data.sort(), ['one', 'two'], 'then what is in a log')
  await broker.publish('quiet/1', 'four', { qos: 0 })
  await settled()
  t.same(peer.data.at(-1), 'four')
  t.same(errors, [])
})

t.test('[P-3.2] resuming with a position, with the stored cursor, with both: the greater counts', async (t) => {
  const { own, broker } = await openNode()
  for (let i = 1; i <= 6; i++) await broker.publish(room, i)
  const { epoch } = (await broker.history(room)).head
  const at = (offset: number) => ({ epoch, offset })
  const resumeAt = async (session: string, position?: object) => {
    const peer = await own({ session, subscriptions: [{ channel: room, qos: 1, ...position === undefined ? {} : { position } }] })
    const [verdict] = peer.last('welcome')?.subscriptions ?? []
    await peer.cut()
    return { verdict: verdict as { verdict: string, position: { offset: number } }, data: peer.data }
  }
  const session = secret()
  const first = await own({ session, subscriptions: [{ channel: room, qos: 1, rewind: 6 }] })
  await first.send({ type: 'ack', positions: [{ channel: room, ...at(3) }] })
  await first.cut()
  t.match(await resumeAt(session), { verdict: { verdict: 'resumed', position: at(3) }, data: [4, 5, 6] }, 'the stored one alone')
  t.match(await resumeAt(session, at(5)), { verdict: { position: at(5) }, data: [6] }, 'the client’s is greater')
  t.match(await resumeAt(session, at(1)), { verdict: { position: at(3) }, data: [4, 5, 6] }, 'the stored one is greater')
  t.match(await resumeAt(secret(), at(2)), { verdict: { verdict: 'resumed', position: at(2) }, data: [3, 4, 5, 6] }, 'the client’s alone')
  t.match(await resumeAt(secret()), { verdict: { verdict: 'started', position: at(6) }, data: [] }, 'none')
})

t.test('[P-2.7] ownership begins with the first frame after the hello', async (t) => {
  t.test('a guest that dies changes nothing', async (t) => {
    const { own, hello, broker } = await openNode()
    const session = secret()
    const owner = await own({ session, subscriptions: toRoom })
    const guest = await hello({ session, subscriptions: toRoom })
    t.equal(guest.last('welcome')?.resumed, true)
    await guest.cut()
    await broker.publish(room, 'on')
    await owner.send({ type: 'ping' })
    t.same(owner.data, ['on'])
    t.equal(owner.socket.ending, null)
  })

  t.test('a guest gets what is due already', async (t) => {
    const { hello, broker } = await openNode()
    await broker.publish(room, 1)
    const guest = await hello({ subscriptions: [{ channel: room, qos: 1, rewind: 1 }] })
    await broker.publish(room, 2)
    await settled()
    t.same(guest.data, [1, 2])
  })

  t.test('the older connection is closed, and its late writes move nothing', async (t) => {
    const memory = memoryStorage({ clock: new ManualClock() })
    // As on another node: no hint of the claim.
    const storage = overStorage(memory, { sessions: () => ({ watch: () => () => {} }) })
    const { own, broker } = await openNode({ storage })
    for (let i = 1; i <= 3; i++) await broker.publish(room, i)
    const { epoch } = (await broker.history(room)).head
    const ack = (offset: number) => ({ type: 'ack', positions: [{ channel: room, epoch, offset }] })
    const session = secret()
    const subscriptions = [{ channel: room, qos: 1, rewind: 3 }]
    const old = await own({ session, subscriptions })
    const young = await own({ session, subscriptions })
    await young.send(ack(1))
    t.equal(old.socket.ending, null, 'nobody has told it')
    await old.send(ack(3))
    t.same(old.socket.ending, { code: 4409, reason: 'PUSH_SUPERSEDED' })
    t.equal(goodbyeOf(old), 'PUSH_SUPERSEDED')
    t.same(await memory.cursors.load(room, sessionKeyOf(undefined, { session })), { epoch, offset: 1 })
    t.equal(young.socket.ending, null)
  })

  t.test('what an older connection asks for too late takes nothing from a newer one', async (t) => {
    const held: Array<() => void> = []
    let holding = true
    const storage = overStorage(memoryStorage({ clock: new ManualClock() }), {
      sessions: (original) => ({
        acquire: async (...args) => {
          if (holding) await new Promise<void>((resolve) => { held.push(resolve) })
          return await original.acquire(...args)
        }
      })
    })
    const { own, hello } = await openNode({ storage })
    const session = secret()
    const old = await hello({ session })
    await old.send({ type: 'pong' }) // on its way to the storage, and the client gives the connection up
    holding = false
    const young = await own({ session })
    for (const proceed of held) proceed()
    await settled()
    t.same(old.socket.ending, { code: 4503, reason: 'PUSH_UNAVAILABLE' }, 'if it is there after all, it is to come back')
    t.equal(young.socket.ending, null)
  })

  t.test('on the same node at once', async (t) => {
    const { own, hello } = await openNode()
    const named = { clientId: 'tab' }
    const old = await own(named)
    const young = await hello(named)
    t.equal(old.socket.ending, null, 'not by the hello')
    await young.send({ type: 'pong' })
    t.same(old.socket.ending, { code: 4409, reason: 'PUSH_SUPERSEDED' })
    t.equal(young.socket.ending, null)
  })

  t.test('frames that come while it is taken over wait, in order', async (t) => {
    const memory = memoryStorage({ clock: new ManualClock() })
    let proceed = () => {}
    const storage = overStorage(memory, {
      sessions: (original) => ({ acquire: async (...args) => { await new Promise<void>((resolve) => { proceed = resolve }); return original.acquire(...args) } })
    })
    const { hello } = await openNode({ storage })
    const peer = await hello()
    await peer.send({ type: 'subscribe', id: 1, channel: room, qos: 1 }, { type: 'publish', channel: room, qos: 1, publisher: secret(), sequence: 1, data: 'mine' }, { type: 'ping' })
    t.equal(peer.last('pong'), undefined)
    proceed()
    await settled()
    t.match(peer.last('published'), { sequence: 1 })
    t.ok(peer.last('pong') && peer.last('subscribed'))
  })

  t.test('more frames than may wait', async (t) => {
    const { connect } = await openNode()
    const peer = connect(new Promise(() => {}))
    await peer.send({ type: 'hello', session: secret() }, ...Array(255).fill({ type: 'ping' }))
    t.equal(peer.socket.paused, false)
    await peer.send({ type: 'ping' })
    t.equal(peer.socket.paused, true, 'what can wait in the network waits there')
    await peer.send(...Array(8193 - 256).fill({ type: 'ping' }))
    t.same(peer.socket.ending, { code: 4429, reason: 'PUSH_TOO_MANY' })
    t.equal(peer.last('goodbye')?.limit, 'waiting')
  })

  t.test('longer frames than may wait: what waited for the hello and what waits for the claim count together', async (t) => {
    let welcome = (): void => {}
    const memory = memoryStorage({ clock: new ManualClock() })
    const { connect } = await openNode({ storage: overStorage(memory, { sessions: () => ({ acquire: () => new Promise(() => {}) }) }) })
    const peer = connect(new Promise((resolve) => { welcome = () => resolve(null) }))
    const long = { type: 'publish', channel: room, qos: 0, data: 'x'.repeat(60_000) }
    await peer.send({ type: 'hello', session: secret() }, ...Array(10).fill(long))
    welcome()
    await settled()
    t.ok(peer.last('welcome'))
    await peer.send(...Array(7).fill(long))
    t.equal(peer.socket.ending, null)
    await peer.send(long)
    t.equal(peer.last('goodbye')?.limit, 'waiting')
  })

  t.test('many frames at once are all taken, and it is read again', async (t) => {
    let proceed = (): void => {}
    const { connect } = await openNode()
    const peer = connect(new Promise((resolve) => { proceed = () => resolve(null) }))
    await peer.send({ type: 'hello', session: secret() }, ...Array(1500).fill({ type: 'ping' }))
    t.equal(peer.socket.paused, true)
    proceed()
    await settled()
    t.equal(peer.socket.paused, false)
    t.equal(peer.all('pong').length, 1500)
  })

  t.test('a claim that fails ends the connection, to come back later', async (t) => {
    const storage = overStorage(memoryStorage({ clock: new ManualClock() }), { sessions: () => ({ acquire: async () => { throw new Error('down') } }) })
    const { own } = await openNode({ storage })
    t.same((await own()).socket.ending, { code: 4500, reason: 'PUSH_INTERNAL' })
  })
})

t.test('[P-1.4] offline messages of a client with a name', async (t) => {
  const { own, broker, clock } = await openNode()
  const hello = { clientId: 'phone', subscriptions: [{ channel: room, qos: 2 }, { channel: 'quiet/1', qos: 1 }] }
  await (await own(hello, { userId: 'alice' })).cut()
  await broker.publish(room, 'kept', { qos: 2 })
  await broker.publish(room, 'not at QoS 0', { qos: 0 })
  await broker.publish('quiet/1', 'kept too')
  await broker.publish('quiet/1', 'nobody heard', { qos: 0 })
  await clock.advanceAsync(60_000)
  const back = await own(hello, { userId: 'alice' })
  t.same(back.data.sort(), ['kept', 'kept too'])
  t.match(back.all('skip'), [{ channel: room, from: 2, to: 2 }])
  t.match(back.last('welcome'), { resumed: true, subscriptions: [{ verdict: 'resumed' }, { verdict: 'resumed' }] })
  const other = await own(hello, { userId: 'bob' })
  t.equal(other.last('welcome')?.resumed, false, 'the same name of another user is another session')
})

t.test('a session ends after its time; one that is connected does not', async (t) => {
  const { own, clock } = await openNode({ session: { ttl: '2m' }, limits: { silence: '1h' } })
  const session = secret()
  const peer = await own({ session, subscriptions: toRoom })
  await clock.advanceAsync(30 * 60_000)
  t.equal((await own({ session })).last('welcome')?.resumed, true)
  await peer.cut()
  await clock.advanceAsync(30 * 60_000)
  const late = await own({ session })
  t.equal(late.last('welcome')?.resumed, true, 'the second one is connected still')
  await late.cut()
  const gone = secret()
  await (await own({ session: gone, subscriptions: toRoom })).cut()
  await clock.advanceAsync(119_000)
  t.equal((await own({ session: gone })).last('welcome')?.resumed, true)
})

t.test('an unnamed session is forgotten after its time', async (t) => {
  const { own, clock, broker } = await openNode({ session: { ttl: '2m' } })
  const session = secret()
  await (await own({ session, subscriptions: toRoom })).cut()
  await clock.advanceAsync(206_000)
  await broker.publish(room, 'late')
  const back = await own({ session, subscriptions: toRoom })
  t.match(back.last('welcome'), { resumed: false, subscriptions: [{ verdict: 'started' }] })
  t.same(back.data, [])
})

t.test('a session the storage lost is made again by who is connected', async (t) => {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  const { own } = await openNode({ storage: memory, clock, session: { ttl: '2m' }, limits: { silence: '1h' } })
  const session = secret()
  const peer = await own({ session })
  await memory.sessions.remove(sessionKeyOf(undefined, { session }), Infinity)
  await clock.advanceAsync(120_000)
  t.ok(await memory.sessions.find(sessionKeyOf(undefined, { session })))
  t.equal(peer.socket.ending, null)
})

t.test('of two connections that find their session lost, the earlier one does not send the later one away', async (t) => {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  let deaf = true
  const storage = overStorage(memory, { sessions: (original) => ({ watch: (listener) => original.watch((...claim) => { if (!deaf) listener(...claim) }) }) })
  const { own } = await openNode({ storage, clock, session: { ttl: '2m' }, limits: { silence: '1h' } })
  const session = secret()
  const key = sessionKeyOf(undefined, { session })
  const earlier = await own({ session })
  await clock.advanceAsync(10_000)
  const later = await own({ session })
  t.equal(earlier.socket.ending, null, 'it does not know that it was taken over')
  const { generation } = await memory.sessions.find(key) as { generation: number }
  await memory.sessions.remove(key, Infinity)
  deaf = false
  await clock.advanceAsync(110_000) // the earlier one looks
  t.equal(later.socket.ending, null)
  await clock.advanceAsync(20_000) // the later one does
  t.equal(goodbyeOf(earlier), 'PUSH_SUPERSEDED')
  t.equal(later.socket.ending, null)
  t.same(await memory.sessions.find(key), { generation })
})

t.test('sessions are verified after an interruption, however many others cannot be', async (t) => {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  const away = new Set<string>()
  let interrupt = () => {}
  const storage = overStorage(memory, {
    sessions: (original) => ({
      find: async (session) => {
        if (away.has(session)) throw new PushError('PUSH_STORAGE_UNAVAILABLE')
        return await original.find(session)
      },
      watch: (_, interrupted = () => {}) => { // it hears of no claim
        interrupt = interrupted
        return () => {}
      }
    })
  })
  const { own } = await openNode({ storage, clock })
  const keyOf = (clientId: string) => sessionKeyOf(undefined, { clientId, session: '' })
  const takeOver = (clientId: string) => memory.sessions.acquire(keyOf(clientId), 60_000, Infinity)
  const names = Array.from({ length: 600 }, (_, i) => `client-${i}`)
  const peers = await Promise.all(names.map((clientId) => own({ clientId })))
  const superseded = () => names.filter((_, i) => peers[i] !== undefined && goodbyeOf(peers[i]) === 'PUSH_SUPERSEDED')
  for (const name of names.slice(0, 550)) away.add(keyOf(name))

  await takeOver('client-0')
  await takeOver('client-598')
  interrupt()
  await settled()
  t.same(superseded(), ['client-598'])
  await takeOver('client-599')
  interrupt()
  await clock.advanceAsync(500)
  t.same(superseded(), ['client-598', 'client-599'], 'what was missed meanwhile is looked for too')
  away.clear()
  await clock.advanceAsync(500)
  t.same(superseded(), ['client-0', 'client-598', 'client-599'])
  t.equal(peers.filter(({ socket }) => socket.ending !== null).length, 3)
})

t.test('[P-4.8] QoS 2 is confirmed once the cursor is stored', async (t) => {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  const held: (() => void)[] = []
  let holding = false
  const storage = overStorage(memory, {
    cursors: (original) => ({
      commit: async (...args) => {
        if (holding) await new Promise<void>((resolve) => { held.push(resolve) })
        return original.commit(...args)
      }
    })
  })
  const { own, broker } = await openNode({ storage, clock })
  const peer = await own({ subscriptions: [{ channel: room, qos: 2 }, { channel: 'room/2', qos: 1 }] })
  const confirmedAtFirst = peer.all('confirmed').length
  const { position } = await broker.publish(room, 1, { qos: 2 })
  const one = await broker.publish('room/2', 1)
  await settled()
  holding = true
  await peer.send({ type: 'ack', positions: [{ channel: room, ...position }, { channel: 'room/2', ...one.position }] })
  t.equal(peer.all('confirmed').length, confirmedAtFirst)
  holding = false
  for (const proceed of held) proceed()
  await settled()
  t.same(peer.last('confirmed')?.positions, [{ channel: room, ...position }])
  t.notOk(peer.all('confirmed').some(({ positions }) => positions.some(({ channel }) => channel === 'room/2')), 'not at QoS 1')
})

t.test('[P-2.5] a storage that does not answer the hello', async (t) => {
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), { cursors: () => ({ load: async () => { throw Object.assign(new Error('x'), {}) } }) })
  const { hello, broker } = await openNode({ storage, clock })
  t.match((await hello({ subscriptions: toRoom })).last('welcome')?.subscriptions, [{ code: 'PUSH_INTERNAL' }])
  await broker.storage.close()
  const late = await hello({ subscriptions: toRoom })
  t.same(late.socket.ending, { code: 4503, reason: 'PUSH_UNAVAILABLE' })
})

t.test('a storage that is full sends nobody away for good: the client is to come back later', async (t) => {
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), { sessions: () => ({ acquire: async () => { throw new PushError('PUSH_STORAGE_FULL') } }) })
  const { own } = await openNode({ storage, clock })
  t.same((await own()).socket.ending, { code: 4503, reason: 'PUSH_UNAVAILABLE' })
})

t.test('a peer that goes while it is greeted leaves nothing behind', async (t) => {
  let proceed = () => {}
  const { connect, service, broker, clock } = await openNode({ authorize: () => new Promise((resolve) => { proceed = () => resolve(true) }) })
  const peer = await connect().send({ type: 'hello', session: secret(), subscriptions: toRoom })
  await peer.cut()
  proceed()
  await settled()
  t.equal(service.size, 0)
  t.equal(broker.stats().channels, 0)
  const slow = connect(new Promise((resolve) => { proceed = () => resolve(null) }))
  await slow.send({ type: 'hello', session: secret() })
  await slow.cut()
  proceed()
  await settled()
  t.equal(service.size, 0)
  await broker.close()
  t.equal(clock.pending, 0, 'no timer is left')
})

t.test('a crowd that comes back makes two reads of the log, wherever each of them had been', async (t) => {
  let reads = 0
  const clock = new ManualClock()
  const storage = overStorage(memoryStorage({ clock }), { log: (original) => ({ read: (...args) => { reads++; return original.read(...args) } }) })
  const { own, broker } = await openNode({ clock, storage })
  for (let i = 1; i <= 10; i++) await broker.publish(room, i)
  const { epoch } = (await broker.history(room)).head
  reads = 0
  const back = (offset: number) => own({ subscriptions: [{ channel: room, qos: 1, position: { epoch, offset } }] })
  const crowd = await Promise.all([4, 5, 4, 6, 7, 8, 6, 5].map(back))
  t.same(crowd.map(({ data }) => data), [4, 5, 4, 6, 7, 8, 6, 5].map((offset) => Array.from({ length: 10 - offset }, (_, i) => offset + i + 1)))
  t.equal(reads, 2, 'of the log as a whole, and of its records')
  t.same(crowd.flatMap((peer) => peer.all('gap')), [])
})

t.test('who knows of more than what was read a moment ago has the log read again', async (t) => {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  // A feed that is late: nothing is heard.
  const { own } = await openNode({ clock, storage: overStorage(memory, { feed: () => ({ join: async () => async () => {} }) }) })
  const draft = { body: Buffer.from('{"id":"1","data":1}'), qos: 1 } as const
  const append = async () => (await memory.log.append(room, [draft], { limit: 100, bytes: 10_000, ttl: 60_000 }))[0] as { position: object }
  const first = await append()
  const subscribed = (position: object) => own({ subscriptions: [{ channel: room, qos: 1, position }] })
  t.match((await subscribed(first.position)).last('welcome')?.subscriptions, [{ verdict: 'resumed', position: { offset: 1 } }])
  const second = await append() // another node's client had it
  t.match((await subscribed(second.position)).last('welcome')?.subscriptions, [{ verdict: 'resumed', position: { offset: 2 } }])
})
