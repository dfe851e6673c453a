import t from 'tap'
import { PushError } from '../../lib/core/errors.js'
import { ReadTurns, type Reader } from '../../lib/broker/read-turns.js'
import type { StorageAdapter } from '../../types/index.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { openNode, overStorage, settled } from '../helpers/node.js'

class Waiting implements Reader {
  has = false
  settled = 0
  wants = true
  readonly turns: ReadTurns

  constructor (turns: ReadTurns) {
    this.turns = turns
  }

  settle (): void {
    this.settled++
    if (this.wants && !this.has) this.has = this.turns.take(this)
  }
}

t.test('four at a time, then whoever waits longest', async (t) => {
  const turns = new ReadTurns({ writable: true })
  const readers = Array.from({ length: 7 }, () => new Waiting(turns))
  for (const reader of readers) reader.settle()
  t.same(readers.map(({ has }) => has), [true, true, true, true, false, false, false])
  turns.give()
  t.same(readers.map(({ has }) => has), [true, true, true, true, true, false, false])
  t.same(readers.map(({ settled }) => settled), [1, 1, 1, 1, 2, 1, 1], 'nobody else is told')
})

t.test('whoever needs no turn any more, or has left, lets the next one go', async (t) => {
  const turns = new ReadTurns({ writable: true })
  const readers = Array.from({ length: 8 }, () => new Waiting(turns))
  for (const reader of readers) reader.settle()
  const [, , , , content, left, next, last] = readers as [Waiting, Waiting, Waiting, Waiting, Waiting, Waiting, Waiting, Waiting]
  content.wants = false
  turns.leave(left)
  turns.give()
  t.same([content, left, next, last].map(({ has, settled }) => [has, settled]), [[false, 2], [false, 1], [true, 2], [false, 1]])
})

t.test('while there is no room those who wait keep their place, behind whoever found none', async (t) => {
  const outlet = { writable: true }
  const turns = new ReadTurns(outlet)
  const readers = Array.from({ length: 7 }, () => new Waiting(turns))
  for (const reader of readers) reader.settle()
  const told = () => readers.map(({ settled }) => settled)
  outlet.writable = false
  turns.turnAway(readers[1] as Waiting)
  turns.give()
  t.same(told(), [1, 1, 1, 1, 1, 1, 1])
  outlet.writable = true
  turns.next()
  t.same(told(), [1, 2, 1, 1, 2, 1, 1], 'the one turned away wants no turn, and the first in the line has it')
  t.same(readers.map((reader) => turns.awaits(reader)), [false, false, false, false, false, true, true])
})

t.test('on a connection that is always full everybody has a turn', async (t) => {
  for (const count of [5, 6, 9, 16]) {
    const { own, broker } = await openNode({ channels: { 'room/:id': { history: true } } })
    const channels = Array.from({ length: count }, (_, i) => `room/${i}`)
    for (const channel of channels) for (let i = 0; i < 50; i++) await broker.publish(channel, 'x'.repeat(16 * 1024))
    const peer = await own()
    const served: string[] = []
    peer.socket.onWrite = () => {
      const frame = peer.socket.frames.at(-1)
      if (frame?.type !== 'messages') return
      served.push(frame.channel)
      peer.socket.full = true
    }
    for (const [id, channel] of channels.entries()) await peer.send({ type: 'subscribe', id, channel, qos: 1, rewind: 50 })
    while (served.length < 2 * count) await peer.drain()
    t.strictSame(new Set(served), new Set(channels), `${count} channels`)
  }
})

t.test('at QoS 0 a rewind outlasts the wait for its turn, and a pause after a read that failed', async (t) => {
  const clock = new ManualClock()
  const held: ((failing: boolean) => void)[] = []
  let holding = false
  const storage = overStorage(memoryStorage({ clock }), {
    log: (original) => ({
      read: async (...args) => {
        if (holding && args[1].limit > 0 && await new Promise<boolean>((resolve) => { held.push(resolve) })) throw new PushError('PUSH_STORAGE_UNAVAILABLE')
        return original.read(...args)
      }
    })
  })
  const { own, broker } = await openNode({ clock, channels: { 'room/:id': { history: true } }, storage })
  const channels = Array.from({ length: 6 }, (_, i) => `room/${i}`)
  for (const channel of channels) await broker.publish(channel, `${channel} before`)
  holding = true
  const peer = await own({ subscriptions: channels.map((channel) => ({ channel, qos: 0, rewind: 10 })) })
  for (const failing of [true, false]) {
    for (const channel of channels) await broker.publish(channel, `${channel} live`)
    await settled()
    while (held.length > 0) {
      held.shift()?.(failing)
      await settled()
    }
    for (const channel of channels) await broker.publish(channel, `${channel} live`)
    await settled()
    await clock.advanceAsync(100)
    await settled()
  }
  while (held.length > 0) {
    held.shift()?.(false)
    await settled()
  }
  const expected = channels.flatMap((channel) => ['before', ...Array.from({ length: 4 }, () => 'live')].map((each) => `${channel} ${each}`))
  t.same([...peer.data].sort(), expected)
  t.equal(broker.stats().dropped, 0)
})

t.test('a connection with many subscriptions that are behind reads a few of their channels at once', async (t) => {
  const clock = new ManualClock()
  const memory = memoryStorage({ clock })
  let holding = false
  let now = 0
  let most = 0
  const held: (() => void)[] = []
  const read: StorageAdapter['log']['read'] = async (...args) => {
    if (!holding || args[1].limit <= 1) return memory.log.read(...args)
    most = Math.max(most, ++now)
    await new Promise<void>((resolve) => { held.push(resolve) })
    now--
    return memory.log.read(...args)
  }
  const log = new Proxy(memory.log, { get: (log, name) => name === 'read' ? read : Reflect.get(log, name).bind(log) })
  const { own, broker } = await openNode({ clock, channels: { 'room/:id': { history: true } }, storage: new Proxy(memory, { get: (storage, name) => name === 'log' ? log : Reflect.get(storage, name) }) })
  const channels = Array.from({ length: 20 }, (_, i) => `room/${i}`)
  const hello = { clientId: 'alice', subscriptions: channels.map((channel) => ({ channel, qos: 1 })) }
  await (await own(hello)).cut()
  for (const channel of channels) await broker.publish(channel, channel)
  holding = true
  const peer = await own(hello)
  t.equal(peer.data.length, 0)
  while (held.length > 0) {
    held.shift()?.()
    await settled()
  }
  t.same([...peer.data].sort(), [...channels].sort())
  t.equal(most, 4)
})
