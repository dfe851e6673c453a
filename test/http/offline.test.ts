import t, { type Test } from 'tap'
import { createClient } from '../../lib/client/node.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { Deliver, QoS } from '../../types/index.js'
import { startApp } from '../helpers/app.js'

const HOURS = 3_600_000

/** A user with two devices, on real sockets; time passes in the storage. */
async function start (t: Test, deliver: Deliver, qos: QoS) {
  const clock = new ManualClock()
  const { app, url } = await startApp(t, { storage: memoryStorage({ clock }), authenticate: (_, { token = '' }) => ({ userId: token }), inbox: { limit: 5 } })
  let look = () => {}
  /** Connects a device; resolves once it is subscribed, or stands in line. */
  const open = async (clientId: string) => {
    const client = createClient(url, { clientId, token: 'alice' })
    t.teardown(() => client.close())
    const device = { client, seen: [] as unknown[], gaps: [] as unknown[], errors: [] as unknown[] }
    client.on('error', ({ code }) => { device.errors.push(code) })
    const inbox = deliver === 'all' ? client.inbox : client.inbox.any
    inbox.on('gap', ({ reason, from, to, count }) => { device.gaps.push([reason, from, to, count]) })
    await inbox.subscribe(({ data }) => { device.seen.push(data); look() }, { qos }).ready
    return device
  }
  const until = (isSo: () => boolean) => new Promise<void>((resolve) => {
    look = () => { if (isSo()) resolve() }
    look()
  })
  const send = async (from: number, to: number) => {
    for (let i = from; i <= to; i++) await app.push.send('alice', i, { deliver, qos: 2 })
  }
  /** Until a client of the user has acknowledged everything. */
  const acknowledged = async () => {
    while (await app.push.unread('alice', { deliver }) > 0) await new Promise((resolve) => { setTimeout(resolve, 5) })
  }
  return { app, clock, open, until, send, acknowledged }
}

for (const qos of [1, 2] as const) {
  t.test(`to all, QoS ${qos}: a device that was away for hours gets what it missed, once and in order, up to retention, and a gap beyond`, async (t) => {
    const { clock, open, until, send, acknowledged } = await start(t, 'all', qos)
    const [phone, laptop] = [await open('phone'), await open('laptop')]
    await send(1, 2)
    await until(() => phone.seen.length === 2 && laptop.seen.length === 2)
    await phone.client.close()
    clock.advance(3 * HOURS)
    await send(3, 5)
    await until(() => laptop.seen.length === 5)
    clock.advance(7 * HOURS)
    const back = await open('phone')
    await until(() => back.seen.length === 3)
    await send(6, 6)
    await until(() => back.seen.length === 4 && laptop.seen.length === 6)
    t.same([back.seen, back.gaps], [[3, 4, 5, 6], []])
    await back.client.close()
    await send(7, 14)
    await until(() => laptop.seen.length === 14)
    await acknowledged()
    clock.advance(7 * HOURS)
    const late = await open('phone')
    await until(() => late.seen.length === 5)
    t.same([late.seen, late.gaps], [[10, 11, 12, 13, 14], [['retention', 7, 9, 3]]])
    t.same([laptop.seen, laptop.gaps], [Array.from({ length: 14 }, (_, i) => i + 1), []], 'who was there missed nothing')
    t.same([phone, back, late, laptop].flatMap(({ errors }) => errors), [])
  })

  t.test(`to any, QoS ${qos}: each message is handled by one device, whoever was away for how long, up to retention, and a gap beyond is told once`, async (t) => {
    const { clock, open, until, send, acknowledged } = await start(t, 'any', qos)
    const [phone, laptop] = [await open('phone'), await open('laptop')]
    await send(1, 2)
    await until(() => phone.seen.length === 2)
    await acknowledged()
    await phone.client.close()
    clock.advance(3 * HOURS)
    await send(3, 5)
    await until(() => laptop.seen.length === 3)
    await acknowledged()
    clock.advance(7 * HOURS)
    const back = await open('phone')
    await send(6, 6)
    await until(() => laptop.seen.length === 4)
    await acknowledged()
    t.same([phone.seen, laptop.seen, back.seen], [[1, 2], [3, 4, 5, 6], []], 'what another one has handled is not missed')
    await Promise.all([back.client.close(), laptop.client.close()])
    await send(7, 14)
    clock.advance(7 * HOURS)
    const [late, later] = [await open('phone'), await open('laptop')]
    await until(() => late.seen.length === 5)
    await acknowledged()
    await late.client.close()
    await send(15, 15)
    await until(() => later.seen.length === 1)
    t.same([late.seen, late.gaps], [[10, 11, 12, 13, 14], [['retention', 7, 9, 3]]])
    t.same([later.seen, later.gaps], [[15], []], 'the gap was told to one')
    t.same([phone, laptop, back, late, later].flatMap(({ errors }) => errors), [])
  })
}

t.test('to any, over real sockets: the reader is cut off, and the next device goes on', async (t) => {
  const { app, open, until, send, acknowledged } = await start(t, 'any', 2)
  const [phone, laptop] = [await open('phone'), await open('laptop')]
  await send(1, 1)
  await until(() => phone.seen.length === 1)
  await acknowledged()
  await app.push.clients({ clientId: 'phone' }).disconnect({ code: 'PUSH_FORBIDDEN' })
  await send(2, 2)
  await until(() => laptop.seen.length === 1)
  laptop.client.reconnect()
  await send(3, 3)
  await until(() => laptop.seen.length === 2)
  t.same([phone.seen, laptop.seen], [[1], [2, 3]])
  t.same(laptop.errors, [])
})
