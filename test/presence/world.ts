import type { Client } from '../../lib/client/api.js'
import { openClient } from '../../lib/client/client.js'
import type { PresentMember } from '../../lib/client/roster.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { PresenceCause } from '../../types/presence.js'
import type { StorageAdapter } from '../../types/storage.js'
import { openNode, settled, type FakePeer, type TestNode } from '../helpers/node.js'
import { Random } from '../model/random.js'
import { LinkedPlatform } from './link.js'

const ROOM = 'room/1'
const GRACE = 15_000

/** How long somebody is away who comes back within the grace, and who does not. Nobody comes back near its end, so that it is known what must be heard. */
const SHORT = [200, 12_000] as const
const LONG = [22_000, 60_000] as const

/** After so long without anything happening whoever is away has left, also from a node that is gone. */
const QUIET = 75_000

/** What can be switched off, to see that it is missed. */
export type Switch = 'grace' | 'fencing'

/** One client, and what others must hear of it. */
class Person {
  readonly name: string
  readonly hello: object
  peer: FakePeer | null = null
  node: TestNode | null = null
  /** Whether it wants to be in the room. */
  wants = false
  data = 0
  /** When it comes back, and whether the grace will be over by then. */
  back: { at: number, isLong: boolean } | null = null
  /** What the list must say: its data, or `null`. */
  listed: number | null = null
  #hasTimedOut = false
  /** Every change, in order. */
  readonly expected: string[] = []

  constructor (name: string) {
    this.name = name
    this.hello = { clientId: name, session: `session-of-${name}`.padEnd(24, '-') }
  }

  entered (): void {
    if (this.listed === null) this.#note(this.#hasTimedOut ? 'back' : 'join')
    else if (this.listed !== this.data) this.#note('update')
    this.listed = this.data
  }

  left (cause: 'leave' | 'timeout'): void {
    if (this.listed === null) return
    this.#note(cause)
    this.listed = null
    this.#hasTimedOut = cause === 'timeout'
  }

  #note (cause: PresenceCause): void {
    this.expected.push(cause)
  }
}

/** Somebody who watches the room with the real client, and reconnects now and then. */
class Watcher {
  readonly client: Client
  readonly platform: LinkedPlatform
  readonly wrong: string[] = []
  /** Who is there, by what it heard. */
  readonly members = new Map<string, unknown>()
  /** What it heard of whom, in order. */
  readonly heard = new Map<string, string[]>()
  blockedUntil = 0

  constructor (name: string, clock: ManualClock, random: Random, pick: () => TestNode) {
    this.platform = new LinkedPlatform(clock, () => random.next(), () => clock.now() < this.blockedUntil ? null : pick())
    this.client = openClient('ws://test/push', { platform: this.platform }, this.platform)
    const room = this.client.channel(ROOM)
    const listen = (event: 'join' | 'leave' | 'update', isRight: (wasThere: boolean) => boolean) => room.on(event, (member) => {
      if (!isRight(this.members.has(member.clientId))) this.wrong.push(`${name} hears ${event} of ${member.clientId}, ${member.cause}`)
      this.#note(event, member)
    })
    listen('join', (wasThere) => !wasThere)
    listen('leave', (wasThere) => wasThere)
    listen('update', (wasThere) => wasThere)
    room.on('error', ({ code }) => { this.wrong.push(`${name}: ${code}`) })
  }

  /** How often it had to read the list again. */
  get gaps (): number {
    return this.platform.gaps
  }

  #note (event: string, { clientId, data, cause }: PresentMember): void {
    if (event === 'leave') this.members.delete(clientId)
    else this.members.set(clientId, data)
    const heard = this.heard.get(clientId) ?? []
    heard.push(cause)
    this.heard.set(clientId, heard)
  }
}

/** Nodes on one storage, clients that come, go and vanish at random, and watchers. Says what is wrong. */
export class World {
  readonly wrong: string[] = []
  readonly #random: Random
  readonly #clock = new ManualClock()
  readonly #off: Switch | null
  readonly #people: Person[]
  #nodes: TestNode[] = []
  #all: TestNode[] = []
  #watchers: Watcher[] = []
  #storage!: StorageAdapter

  constructor (seed: number, people: number, off: Switch | null = null) {
    this.#random = new Random(seed)
    this.#off = off
    this.#people = Array.from({ length: people }, (_, i) => new Person(`c${i}`))
  }

  /** How many watchers had missed nothing after the first round. */
  gaplessAtFirst = 0

  async run (rounds: number, steps: number): Promise<void> {
    await this.#open()
    for (let round = 0; round < rounds; round++) {
      for (let step = 0; step < steps; step++) await this.#step()
      if (round === 0) await this.#kill()
      await this.#rest()
      this.#check(`after round ${round + 1}`)
      if (round === 0) this.gaplessAtFirst = this.seen.gapless
    }
    for (const { client } of this.#watchers) client.close({ timeout: 0 }).catch(() => {})
    await this.#pass(3000)
    for (const { broker } of this.#nodes) await broker.close()
  }

  async #open (): Promise<void> {
    const memory = memoryStorage({ clock: this.#clock })
    await memory.open({ onError: (error) => { throw error } })
    const { presence } = memory
    const fenceless: StorageAdapter['presence'] = Object.create(presence)
    Object.assign(fenceless, Object.fromEntries((['enter', 'list', 'counts', 'lastSeen', 'renew', 'orphans', 'held'] as const).map((name) => [name, (presence[name] as (...args: unknown[]) => unknown).bind(presence)])))
    fenceless.leave = (channel, fence, change) => presence.leave(channel, { ...fence, generation: 1e15 }, { ...change, remember: 1 })
    this.#storage = {
      ...memory,
      presence: this.#off === 'fencing' ? fenceless : presence,
      supports: { ...memory.supports, shared: true },
      open: async () => {},
      close: async () => {}
    }
    for (let i = 0; i < 3; i++) await this.#join()
    for (let i = 0; i < 5; i++) {
      this.#watchers.push(new Watcher(`w${i}`, this.#clock, this.#random, () => this.#random.pick(this.#nodes)))
    }
    await this.#pass(1000)
  }

  async #join (): Promise<void> {
    const grace = this.#off === 'grace' ? 1 : GRACE
    const node = await openNode({ storage: this.#storage, clock: this.#clock, channels: { 'room/:id': { presence: { grace } } }, session: { ttl: '5s' }, limits: { silence: '1d' } })
    this.#nodes.push(node)
    this.#all.push(node)
  }

  async #pass (ms: number): Promise<void> {
    await this.#clock.advanceAsync(ms)
    await settled()
  }

  async #step (): Promise<void> {
    const random = this.#random
    const chosen = new Set(Array.from({ length: random.int(1, 25) }, () => random.pick(this.#people)))
    await Promise.all([...chosen].map((person) => this.#act(person)))
    for (const watcher of this.#watchers) {
      if (random.chance(0.03)) {
        watcher.blockedUntil = this.#clock.now() + (random.chance(0.5) ? 0 : random.int(1000, 20_000))
        watcher.platform.cut()
      }
    }
    await this.#pass(random.int(0, 400))
    await this.#returns()
  }

  async #act (person: Person): Promise<void> {
    const random = this.#random
    const { peer } = person
    if (person.back !== null) return
    if (peer === null || !person.wants) return this.#enter(person, random.chance(0.3))
    switch (random.weighted({ vanish: 40, away: 12, close: 12, leave: 6, update: 15, again: 5, takeOver: 10 })) {
      case 'vanish': return this.#vanish(person, false)
      case 'away': return this.#vanish(person, true)
      case 'close':
        person.left('leave')
        person.peer = null
        person.wants = false
        return peer.cut(1000)
      case 'leave':
        person.wants = false
        person.left('leave')
        await peer.send({ type: 'leave', id: 1, channel: ROOM })
        return
      case 'update': return this.#enter(person, true)
      case 'again': return this.#enter(person, false)
      case 'takeOver':
        person.peer = null // the node will close it
        return this.#enter(person, false)
    }
  }

  async #enter (person: Person, isNews: boolean): Promise<void> {
    person.wants = true
    if (isNews) person.data++
    person.entered()
    if (person.peer === null) {
      person.node = this.#random.pick(this.#nodes)
      person.peer = await person.node.own(person.hello)
    }
    await person.peer.send({ type: 'enter', id: 2, channel: ROOM, data: person.data })
  }

  async #vanish (person: Person, isLong: boolean): Promise<void> {
    const [least, most] = isLong ? LONG : SHORT
    person.back = { at: this.#clock.now() + this.#random.int(least, most), isLong }
    const { peer } = person
    person.peer = null
    await peer?.cut(1006)
  }

  async #returns (): Promise<void> {
    const due = this.#people.filter(({ back }) => back !== null && back.at <= this.#clock.now())
    await Promise.all(due.map(async (person) => {
      if (person.back?.isLong === true) person.left('timeout')
      person.back = null
      await this.#enter(person, this.#random.chance(0.1))
    }))
  }

  /** A node is gone, with all its connections; another takes its place. */
  async #kill (): Promise<void> {
    const gone = this.#nodes.shift() as TestNode
    gone.broker.presence.close() // it renews nothing any more, and lets nobody leave
    await this.#join()
    for (const person of this.#people) {
      if (person.node !== gone) continue
      if (person.peer !== null) await this.#vanish(person, this.#random.chance(0.3))
      // Whoever has been away from it for long leaves with its lease, and comes back after that.
      if (person.back?.isLong === true) person.back = { at: this.#clock.now() + QUIET + 1000, isLong: true }
    }
    for (const { platform } of this.#watchers) platform.cut()
  }

  /** Nothing happens any more, but that those come back who are away for a moment. */
  async #rest (): Promise<void> {
    const end = this.#clock.now() + QUIET
    for (const { back } of this.#people) if (back?.isLong === true) back.at = Math.max(back.at, end + 1000)
    while (this.#clock.now() < end) {
      await this.#pass(1000)
      await this.#returns()
    }
    for (const person of this.#people) if (person.back !== null) person.left('timeout')
  }

  #check (when: string): void {
    const truth = new Map(this.#people.filter(({ listed }) => listed !== null).map(({ name, listed }) => [name, listed]))
    const found = new Map<string, string[]>(this.#people.map(({ name }) => [name, []]))
    const changes = this.#all.flatMap(({ presences }) => presences)
    for (const node of this.#all) for (const error of node.errors) this.wrong.push(`${when}: ${String(error)}`)
    for (const { name, expected } of this.#people) {
      const mine = changes.filter(({ member }) => member.clientId === name).length
      if (mine !== expected.length) this.wrong.push(`${when}: of ${name} there were ${mine} changes, not ${expected.join(' ')}`)
      found.set(name, expected)
    }
    for (const [i, watcher] of this.#watchers.entries()) {
      this.wrong.push(...watcher.wrong.splice(0).map((each) => `${when}: ${each}`))
      for (const name of new Set([...truth.keys(), ...watcher.members.keys()])) {
        const [is, seems] = [truth.get(name) ?? null, watcher.members.get(name) ?? null]
        if (is !== seems) this.wrong.push(`${when}: ${name} is ${is}, and to w${i} ${String(seems)}`)
      }
      // Who has missed nothing has heard of everything, once and in order.
      if (watcher.gaps > 0) continue
      for (const [name, expected] of found) {
        const heard = (watcher.heard.get(name) ?? []).join(' ')
        if (heard !== expected.join(' ')) this.wrong.push(`${when}: w${i} heard of ${name}: ${heard}, not ${expected.join(' ')}`)
      }
    }
  }

  /** Watchers that had to read the list again, and all that anybody heard. */
  get seen (): { gaps: number, events: number, gapless: number } {
    return {
      gaps: this.#watchers.filter(({ gaps }) => gaps > 0).length,
      gapless: this.#watchers.filter(({ gaps }) => gaps === 0).length,
      events: this.#watchers.reduce((sum, { heard }) => sum + [...heard.values()].flat().length, 0)
    }
  }
}
