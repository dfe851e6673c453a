import { EventEmitter } from 'node:events'
import t from 'tap'
import { ClusterSubscriber } from '../../../lib/storage/redis/cluster-subscriber.js'
import type { ClusterConnection } from '../../../lib/storage/redis/connection.js'
import { codeOf } from './world.js'

/** A server of a Cluster, and the connection to it on which it is listened to. It answers when the test says so. */
class FakeServer extends EventEmitter {
  readonly subscribed = new Set<string>()
  readonly options: { readonly host: string, readonly port: number }
  status = 'ready'
  answer: (() => void) | null = null
  isSlow = false

  constructor (port: number) {
    super()
    this.options = { host: 'host', port }
  }

  duplicate (): this {
    return this
  }

  async connect (): Promise<void> {
    this.emit('ready')
  }

  async ssubscribe (name: string): Promise<void> {
    if (this.isSlow) await new Promise<void>((resolve) => { this.answer = resolve })
    if (this.isSlow) throw new Error('MOVED 1 host:2')
    this.subscribed.add(name)
  }

  async sunsubscribe (name: string): Promise<void> {
    this.subscribed.delete(name)
  }

  async quit (): Promise<void> {}
  disconnect (): void {}
}

t.test('a name that cannot be listened to is listened to nowhere, also where its slot has moved meanwhile', async (t) => {
  const servers = [new FakeServer(1), new FakeServer(2)] as const
  const cluster = Object.assign(new EventEmitter(), {
    slots: Array<string[]>(16384).fill(['host:1']).fill(['host:2'], 16383),
    nodes: () => servers,
    refreshSlotsCache: () => {}
  })
  const subscriber = new ClusterSubscriber({
    isSharded: () => true,
    timeout: 60_000,
    onMessage: () => {},
    onRestored: () => {},
    onTrouble: (error) => { throw error },
    onConnection: () => {}
  })
  t.teardown(() => subscriber.close())
  const opening = subscriber.open(cluster as unknown as ClusterConnection)
  for (const server of servers) server.emit('ready')
  await opening

  servers[0].isSlow = true
  const adding = codeOf(subscriber.add('room'))
  cluster.slots = Array<string[]>(16384).fill(['host:2']).fill(['host:1'], 16383)
  cluster.emit('refresh')
  await new Promise(setImmediate)
  t.same([...servers[1].subscribed], ['room'], 'it is taken to where its slot is')
  servers[0].answer?.()
  t.equal(await adding, 'PUSH_STORAGE_UNAVAILABLE')
  t.same([...servers[1].subscribed], [], 'but nobody wants it')
  servers[1].emit('ready') // another connection to it
  await new Promise(setImmediate)
  t.same([...servers[1].subscribed], [])
  t.ok(subscriber.isLive)
})
