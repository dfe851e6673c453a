import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createClient } from '../../lib/client/node.js'
import type { ChannelVerdict, Client, Gap, QoS } from '../../lib/client/index.js'
import fastifyPush, { memoryStorage, type ChannelOptions, type StorageAdapter } from '../../lib/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { TcpProxy } from './tcp-proxy.js'

// Retention shorter than the absence: one gap that says what is missing, then what is left, then live messages.

const CHANNEL = 'room/1'

/** What a subscriber's application sees, in order. */
type Seen =
  | { readonly type: 'message', readonly data: unknown, readonly offset: number | undefined }
  | { readonly type: 'gap', readonly gap: Gap }
  | { readonly type: 'verdict', readonly verdict: ChannelVerdict }

class Scene {
  readonly seen: Seen[] = []
  readonly #publish: (data: number) => Promise<unknown>
  readonly #proxy: TcpProxy
  readonly #client: Client
  #published = 0
  #check = (): void => {}

  private constructor (publish: (data: number) => Promise<unknown>, proxy: TcpProxy, client: Client, qos: QoS) {
    this.#publish = publish
    this.#proxy = proxy
    this.#client = client
    const room = client.channel(CHANNEL)
    room.on('gap', (gap) => this.#note({ type: 'gap', gap }))
    room.on('verdict', (verdict) => this.#note({ type: 'verdict', verdict }))
    client.on('state', () => this.#check())
    room.subscribe(({ data, position }) => this.#note({ type: 'message', data, offset: position?.offset }), { qos })
  }

  /** A server, a proxy and a subscriber. */
  static async open (t: Test, history: ChannelOptions['history'], qos: QoS, storage?: StorageAdapter): Promise<Scene> {
    const app = Fastify()
    await app.register(fastifyPush, { channels: { 'room/:id': { history: history ?? true } }, ...(storage === undefined ? {} : { storage }) })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const proxy = await TcpProxy.open((app.server.address() as AddressInfo).port, { fault: () => null, cut: () => {}, restart: () => {} })
    const client = createClient(`ws://127.0.0.1:${proxy.port}/push`, { reconnect: { min: 1, base: 5, max: 100 } })
    t.teardown(async () => {
      await client.close()
      await proxy.close()
      await app.close()
    })
    const scene = new Scene((data) => app.push.publish(CHANNEL, data), proxy, client, qos)
    await scene.until(() => scene.#client.state === 'live')
    return scene
  }

  get messages (): unknown[] {
    return this.seen.flatMap((each) => each.type === 'message' ? [each.data] : [])
  }

  get gaps (): Gap[] {
    return this.seen.flatMap((each) => each.type === 'gap' ? [each.gap] : [])
  }

  /** Publishes the next numbers, one after the other. */
  async publish (count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.#publish(++this.#published)
  }

  /** Resolves once the subscriber has been handed the number that was published last. */
  async caughtUp (): Promise<void> {
    await this.until(() => this.messages.at(-1) === this.#published)
  }

  /** The network is gone. */
  async leave (): Promise<void> {
    this.#proxy.refusing = true
    this.#proxy.reset()
    await this.until(() => this.#client.state !== 'live')
    this.seen.length = 0
  }

  async comeBack (): Promise<void> {
    this.#proxy.refusing = false
    await this.until(() => this.#client.state === 'live')
  }

  until (holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => { if (holds()) resolve() }
      this.#check()
    })
  }

  #note (what: Seen): void {
    this.seen.push(what)
    this.#check()
  }
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** What must be seen: the verdict, one gap, what is left in order, then live. */
async function check (t: Test, scene: Scene, missing: { from: number, to: number }, last: number): Promise<void> {
  const { from, to } = missing
  await scene.comeBack()
  await scene.caughtUp()
  const [verdict] = scene.seen.flatMap((each) => each.type === 'verdict' ? [each.verdict] : [])
  t.match(verdict, { verdict: 'lost', gap: { reason: 'retention', from, to, count: to - from + 1, position: { offset: to } } }, 'the verdict says what is lost')
  t.equal(scene.gaps.length, 1, 'one gap')
  t.match(scene.gaps[0], { channel: CHANNEL, reason: 'retention', from, to, count: to - from + 1, position: { offset: to } }, 'the gap says what is missing')
  t.strictSame(scene.messages, numbers(to + 1, last), 'then what is left, in order and once')
  const order = scene.seen.map(({ type }) => type)
  t.ok(order.indexOf('gap') < order.indexOf('message'), 'the gap is told before what follows it')
  await scene.publish(3)
  await scene.caughtUp()
  t.strictSame(scene.messages, numbers(to + 1, last + 3), 'live messages go on')
  t.equal(scene.gaps.length, 1, 'and no other gap is told')
}

for (const qos of [1, 2] as const) {
  t.test(`QoS ${qos}: the channel keeps fewer records than were missed`, async (t) => {
    const scene = await Scene.open(t, { limit: 50 }, qos)
    await scene.publish(5)
    await scene.caughtUp()
    await scene.leave()
    await scene.publish(200)
    await check(t, scene, { from: 6, to: 155 }, 205)
  })
}

t.test('the channel keeps records for a shorter time than the absence', async (t) => {
  const clock = new ManualClock()
  const scene = await Scene.open(t, { ttl: '10s' }, 1, memoryStorage({ clock }))
  await scene.publish(5)
  await scene.caughtUp()
  await scene.leave()
  await scene.publish(120)
  clock.advance(6_000)
  await scene.publish(80)
  clock.advance(5_000)
  await check(t, scene, { from: 6, to: 125 }, 205)
})

t.test('all of it is gone: the gap covers everything, and live messages go on', async (t) => {
  const clock = new ManualClock()
  const scene = await Scene.open(t, { ttl: '10s' }, 2, memoryStorage({ clock }))
  await scene.publish(5)
  await scene.caughtUp()
  await scene.leave()
  await scene.publish(100)
  clock.advance(20_000)
  await scene.comeBack()
  await scene.publish(1)
  await scene.caughtUp()
  t.match(scene.gaps, [{ reason: 'retention', from: 6, to: 105, count: 100 }])
  t.equal(scene.gaps.length, 1)
  t.strictSame(scene.messages, [106])
})

t.test('a retention that is just long enough: no gap', async (t) => {
  const scene = await Scene.open(t, { limit: 50 }, 1)
  await scene.publish(5)
  await scene.caughtUp()
  await scene.leave()
  await scene.publish(50)
  await scene.comeBack()
  await scene.caughtUp()
  t.strictSame(scene.gaps, [])
  t.strictSame(scene.messages, numbers(6, 55))
})

t.test('QoS 0: what was missed stays missed, without a gap', async (t) => {
  const scene = await Scene.open(t, { limit: 50 }, 0)
  await scene.publish(5)
  await scene.caughtUp()
  await scene.leave()
  await scene.publish(200)
  await scene.comeBack()
  await scene.publish(1)
  await scene.caughtUp()
  t.strictSame(scene.gaps, [])
  t.strictSame(scene.messages, [206], 'only what is live')
})
