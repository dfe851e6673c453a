import t from 'tap'
import { HELLO_PREFIX } from '../../lib/protocol/version.js'
import { assertUnharmed, startApp } from '../helpers/app.js'
import { Peer, secret } from '../helpers/peer.js'
import { RawClient, clientFrame } from '../helpers/raw.js'

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)
const FRAMES = 3000
const CONNECTION = 25

/** Random numbers from a seed. (mulberry32) */
function random (seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const next = random(SEED)
const below = (end: number) => Math.floor(next() * end)
const pick = <Value>(values: readonly Value[]): Value => values[below(values.length)] as Value

const ODD = [null, true, -1, 0, 1.5, 2 ** 53, 1e308, '', 'x', '__proto__', 'room/1', 'room/2', 'news', [], {}, [[]], '\ud800', 'a'.repeat(300), { epoch: 'e', offset: 1 }, [null]]

const position = () => ({ epoch: pick(['e', 'q7Rk2x']), offset: below(5) })
const FRAME: readonly (() => Record<string, unknown>)[] = [
  () => ({ type: 'hello', session: secret(), subscriptions: [{ channel: 'room/1', qos: 1 }] }),
  () => ({ type: 'subscribe', id: below(9), channel: pick(['room/1', 'room/2', 'nowhere']), qos: below(3), rewind: below(9) }),
  () => ({ type: 'subscribe', id: below(9), channel: 'room/1', qos: below(3), position: position() }),
  () => ({ type: 'unsubscribe', id: below(9), channel: pick(['room/1', 'room/2']) }),
  () => ({ type: 'publish', channel: pick(['room/1', 'quiet/1', 'news']), qos: below(3), sequence: 1 + below(9), publisher: secret(), data: pick(ODD) }),
  () => ({ type: 'publish', channel: 'room/1', qos: 1, sequence: 1 + below(9), id: pick(['a', 'b']), data: pick(ODD) }),
  () => ({ type: 'ack', positions: [{ channel: 'room/1', ...position() }] }),
  () => ({ type: 'drop', channel: 'room/1', ...position() }),
  () => ({ type: 'history', id: below(9), channel: pick(['room/1', 'quiet/1']), limit: 1 + below(9), reverse: next() < 0.5 }),
  () => ({ type: pick(['ping', 'pong']) })
]

/** Leaves a value, takes it out, or puts an odd one somewhere in it. */
function mutateValue (frame: Record<string, unknown>): Record<string, unknown> {
  const key = pick([...Object.keys(frame), 'extra', '__proto__'])
  const value = frame[key]
  if (next() < 0.3) {
    const { [key]: _, ...rest } = frame
    return rest
  }
  if (Array.isArray(value) && typeof value[0] === 'object' && value[0] !== null && next() < 0.7) return { ...frame, [key]: [mutateValue(value[0] as Record<string, unknown>)] }
  return Object.fromEntries([...Object.entries(frame), [key, pick(ODD)]])
}

/** Changes, drops or repeats bytes. */
function mutateText (text: string): string {
  const at = below(text.length)
  const end = at + below(8)
  return pick([
    () => text.slice(0, at) + text.slice(end),
    () => text.slice(0, at) + text.slice(at, end).repeat(3) + text.slice(end),
    () => text.slice(0, at) + String.fromCharCode(below(0x3000)) + text.slice(at),
    () => text.slice(0, at)
  ])()
}

t.test(`mutated frames, one live connection after another (SEED=${SEED})`, { timeout: 110_000 }, async (t) => {
  t.comment(`replay with SEED=${SEED}`)
  const { app, url, log } = await startApp(t, { limits: { closeGrace: 100 } })
  const healthy = await Peer.owner(url, { subscriptions: [{ channel: 'news', qos: 1 }] })
  for (let sent = 0; sent < FRAMES; sent += CONNECTION) {
    const peer = await Peer.open(url, next() < 0.8 ? { hello: { type: 'hello', session: secret(), subscriptions: [{ channel: 'room/1', qos: below(3) }] } } : {})
    for (let i = 0; i < CONNECTION; i++) {
      const frame = pick(FRAME)()
      const roll = next()
      const text = JSON.stringify(roll < 0.5 ? mutateValue(frame) : frame)
      peer.sendText(roll > 0.8 ? mutateText(text) : text)
    }
    peer.webSocket.close()
    await peer.ended
  }
  await app.push.publish('news', 'on')
  t.same(await healthy.data(1), ['on'])
  assertUnharmed(t, log)
})

t.test(`mutated WebSocket frames and hellos in the upgrade (SEED=${SEED})`, async (t) => {
  const { app, url, port, log } = await startApp(t, { limits: { closeGrace: 50 } })
  const healthy = await Peer.owner(url, { subscriptions: [{ channel: 'news', qos: 1 }] })
  for (let i = 0; i < 100; i++) {
    const bytes = Buffer.concat([clientFrame({ payload: JSON.stringify(pick(FRAME)()) }), clientFrame({ payload: JSON.stringify(pick(FRAME)()) })])
    for (let changes = 1 + below(4); changes > 0; changes--) bytes[below(Math.min(20, bytes.length))] = below(256)
    const hello = HELLO_PREFIX + Buffer.from(mutateText(JSON.stringify(pick(FRAME)()))).toString('base64url')
    const client = new RawClient(port, { extra: bytes, protocols: next() < 0.5 ? ['fastify-push.1'] : ['fastify-push.1', hello] })
    await client.answered
    client.socket.end()
    await client.gone
    client.socket.destroy()
  }
  await app.push.publish('news', 'on')
  t.same(await healthy.data(1), ['on'])
  assertUnharmed(t, log)
})
