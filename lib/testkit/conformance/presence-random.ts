import assert from 'node:assert/strict'
import type { EnterChange, LeaveChange, MemberPage, StoredMember } from '../../../types/presence-store.js'
import type { StorageAdapter } from '../../../types/storage.js'
import { Ear, HALF, LONG, ROOMY, randomFrom, shown, type Kit } from './kit.js'
import { events, logOf, member } from './members.js'
import { ReferenceMembers, eventOf, replayed } from './presence-reference.js'

const CHANNELS = ['a', 'a/b']
const KEYS = ['k', 'K', 'k1', 'l-', 'm_']
const NODES = ['n1', 'n2', 'n3']
const STEPS = 400
/** How many random tests of each kind there are, each with a seed of its own. */
const RUNS = 3
const ROUNDS = 12

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Members that come and go at random. The seed is in the name of the test and replays it. Where the adapter is shared, two take turns. */
export function presenceRandom (kit: Kit): void {
  const first = kit.seed ?? Math.floor(Math.random() * 2 ** 31)
  for (let seed = first; seed < first + RUNS; seed++) {
    kit.open(`random: operations of presence agree with the reference (seed ${seed})`, async (storage) => {
      await kit.withPeer(storage, async (peer) => { await new Walk(kit, [storage, peer], randomFrom(seed)).run() })
    })
    kit.open(`random: whatever comes and goes at once, every list agrees with the events (seed ${seed})`, async (storage) => {
      await kit.withPeer(storage, async (peer) => { await crowd([storage, peer], randomFrom(seed)) })
    })
  }
}

/** One operation after the other, each outcome held against the reference. */
class Walk {
  readonly #kit: Kit
  readonly #storages: readonly StorageAdapter[]
  readonly #random: () => number
  readonly #references = new Map(CHANNELS.map((name) => [name, new ReferenceMembers()]))
  readonly #ears = new Map(CHANNELS.map((name) => [name, new Ear()]))
  /** Until when the lease of each node runs. */
  readonly #leases = new Map<string, number>()
  #now = 0
  #step = 0

  constructor (kit: Kit, storages: readonly StorageAdapter[], random: () => number) {
    this.#kit = kit
    this.#storages = storages
    this.#random = random
  }

  async run (): Promise<void> {
    for (const [name, ear] of this.#ears) await this.#storage.feed.join(logOf(name), ear)
    for (; this.#step < STEPS && this.#now < this.#kit.longest; this.#step++) {
      if (this.#kit.isBehind()) await this.#wait(HALF)
      const name = this.#one(CHANNELS)
      const act = this.#one([this.#enter, this.#enter, this.#enter, this.#leave, this.#leave, this.#list, this.#seen, this.#renew, this.#orphans, this.#pass])
      try {
        await act.call(this, name)
      } catch (error) {
        throw new Error(`step ${this.#step} in '${name}': ${(error as Error).message}`, { cause: error })
      }
    }
    for (const name of CHANNELS) await this.#logAgrees(name)
  }

  async #enter (name: string): Promise<void> {
    const entering: StoredMember = { ...this.#fence(), node: this.#one(NODES), user: this.#one([null, 'u', 'v']), body: bytes(this.#one(['x', 'y'])) }
    const expected = this.#reference(name).enter(entering, this.#now)
    const { change, position } = await this.#storage.presence.enter(name, entering, enteringAs(entering))
    assert.deepEqual([change, position.offset], [expected, this.#reference(name).events.length], `enter ${told(entering)}`)
  }

  async #leave (name: string): Promise<void> {
    await this.#letLeave(name, member(this.#one(KEYS), 1, 1, this.#fence()), this.#one(['leave', 'timeout'] as const))
  }

  async #letLeave (name: string, leaver: StoredMember, cause: LeaveChange['cause']): Promise<void> {
    const times = { remember: this.#one([LONG, 2.5 * HALF]), seen: this.#one([0, 3.5 * HALF, LONG]) }
    const expected = this.#reference(name).leave(leaver, cause, times, this.#now)
    const { left } = await this.#storage.presence.leave(name, leaver, { ...leavingAs(leaver, cause), ...times })
    assert.equal(left, expected, `${cause} ${told(leaver)}`)
  }

  async #list (name: string): Promise<void> {
    const { members, users, events: { length } } = this.#reference(name)
    const limit = this.#below(4)
    let after = this.#one([null, ...KEYS, 'L'])
    const left = members.filter(({ key }) => after === null || key > after).map(told)
    do {
      const page: MemberPage = await this.#storage.presence.list(name, { after, limit, bytes: 1000 })
      const { connections, next, position: { offset } } = page
      assert.deepEqual({ connections, users: page.users, offset }, { connections: members.length, users, offset: length }, 'the numbers of a list')
      assert.deepEqual(page.members.map(told), left.splice(0, limit), `list after ${after}, limit ${limit}`)
      assert.equal(next === null, limit === 0 || left.length === 0, 'there is a next page where there are more')
      after = next
    } while (after !== null)
  }

  async #seen (name: string): Promise<void> {
    assert.equal(await this.#storage.presence.lastSeen(name) !== null, this.#reference(name).isSeen(this.#now), 'lastSeen')
  }

  async #renew (): Promise<void> {
    const [node, ttl] = [this.#one(NODES), this.#one([LONG, 1.5 * HALF, 3.5 * HALF])]
    const expected = this.#isLeased(node)
    this.#leases.set(node, this.#now + ttl)
    assert.equal(await this.#storage.presence.renew(node, ttl), expected, `renew ${node}`)
  }

  /** As a node does: looks who is an orphan, and lets some leave. */
  async #orphans (): Promise<void> {
    const expected = CHANNELS.flatMap((name) => this.#reference(name).members.filter(({ node }) => !this.#isLeased(node)).map((each) => `${name} ${told(each)}`))
    const orphans = await this.#storage.presence.orphans(1000)
    assert.deepEqual(orphans.map(({ channel, member: held }) => `${channel} ${told(held)}`).sort(), expected.sort(), 'orphans')
    const limit = 1 + this.#below(3)
    assert.ok((await this.#storage.presence.orphans(limit)).length <= limit, `at most ${limit} orphans`)
    for (const { channel, member: held } of orphans) {
      if (this.#random() < 0.5) await this.#letLeave(channel, held, 'timeout')
    }
  }

  async #pass (): Promise<void> {
    await this.#wait(HALF * (1 + this.#below(3)))
  }

  async #wait (ms: number): Promise<void> {
    await this.#kit.advance(ms)
    this.#now += ms
  }

  /** The log has every event, and each was announced, in order, unless the feed said that it may have lost something. */
  async #logAgrees (name: string): Promise<void> {
    const { events: expected, members } = this.#reference(name)
    assert.deepEqual(await events(this.#storage, name), expected, `the events of '${name}'`)
    assert.deepEqual(members.map(({ key, body }) => `${key} ${shown(body)}`), replayed(expected))
    const ear = this.#ears.get(name) as Ear
    await this.#kit.until(() => expected.length === 0 || ear.knows(expected.length), 'the last event is announced')
    if (ear.interruptions === 0) assert.deepEqual(ear.heard, expected.map((event, i) => `${i + 1} ${event}`))
  }

  /** Mostly later than all before it, now and then late. */
  #fence (): { key: string, generation: number, number: number } {
    const generation = 1 + Math.floor(this.#step / 60) - (this.#random() < 0.1 ? 1 : 0)
    return { key: this.#one(KEYS), generation, number: this.#step + 10 - this.#below(8) }
  }

  #isLeased (node: string): boolean {
    return (this.#leases.get(node) ?? -Infinity) > this.#now
  }

  get #storage (): StorageAdapter {
    return this.#one(this.#storages)
  }

  #reference (name: string): ReferenceMembers {
    return this.#references.get(name) as ReferenceMembers
  }

  #below (limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #one<Item> (items: readonly Item[]): Item {
    return items[this.#below(items.length)] as Item
  }
}

/** Many at once: which comes first is the adapter's choice, but its lists, outcomes and events must agree about it. */
async function crowd (storages: readonly StorageAdapter[], random: () => number): Promise<void> {
  const one = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const [storage] = storages as [StorageAdapter]
  const pages: MemberPage[] = []
  const changes: string[] = []
  for (let round = 0, number = 0; round < ROUNDS; round++) {
    await Promise.all(Array.from({ length: 12 }, async () => {
      const { presence } = one(storages)
      const who = member(one(KEYS), 1 + round, ++number, { text: one(['x', 'y']) })
      const act = random()
      if (act < 0.3) return pages.push(await presence.list('a', { after: null, limit: 100, bytes: 10_000 }))
      if (act < 0.7) {
        const { change } = await presence.enter('a', who, enteringAs(who))
        if (change !== 'none' && change !== 'fenced') changes.push(eventOf(change, who))
      } else if ((await presence.leave('a', who, leavingAs(who, 'timeout'))).left) changes.push(eventOf('timeout', who))
    }))
    pages.push(await storage.presence.list('a', { after: null, limit: 100, bytes: 10_000 }))
  }
  const log = await events(storage, 'a')
  assert.deepEqual([...log].sort(), changes.sort(), 'an event for each change, and no other')
  for (const { members, connections, position: { offset } } of pages) {
    const expected = replayed(log.slice(0, offset))
    assert.deepEqual([members.map(({ key, body }) => `${key} ${shown(body)}`), connections], [expected, expected.length], `the list at ${offset}`)
  }
}

function enteringAs (entering: StoredMember): EnterChange {
  const eventsOf = { join: bytes(eventOf('join', entering)), back: bytes(eventOf('back', entering)), update: bytes(eventOf('update', entering)) }
  return { events: eventsOf, retention: ROOMY, remember: LONG }
}

function leavingAs (leaver: StoredMember, cause: LeaveChange['cause']): LeaveChange {
  return { cause, event: bytes(eventOf(cause, leaver)), retention: ROOMY, remember: LONG, seen: LONG }
}

/** All of a member. */
const told = ({ key, generation, number, node, user, body }: StoredMember): string => [key, generation, number, node, user, shown(body)].join(' ')
