import type { Client } from '../../lib/client/api.js'
import { openClient } from '../../lib/client/client.js'
import type { PresentMember } from '../../lib/client/roster.js'
import { PushError } from '../../lib/core/errors.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { Member } from '../../types/presence.js'
import type { StoredMember } from '../../types/presence-store.js'
import type { FeedListener, StorageAdapter } from '../../types/storage.js'
import { openNode, overStorage, settled, type TestNode } from '../helpers/node.js'
import { Random } from '../model/random.js'
import { LinkedPlatform } from './link.js'

const ROOM = 'room/1'

/** After so long without a fault, everybody is connected, has been tried again, and has been let go where it was to leave. */
const QUIET = 150_000

const logOf = (channel: string): string => `$presence/${channel}`
const memberIn = ({ body }: StoredMember): Member => JSON.parse(String(Buffer.from(body))) as Member

/** Somebody with the real client: in the room or not, as it wishes, and always watching it. */
class Person {
  readonly name: string
  readonly client: Client
  readonly platform: LinkedPlatform
  readonly wrong: string[] = []
  /** Whether it wants to be in, and with what. */
  wish: number | null = null
  node: TestNode | null = null
  blockedUntil = 0
  /** Who is there, by what it heard. */
  readonly members = new Map<string, unknown>()
  /** All it heard, in order. */
  readonly heard: string[] = []

  constructor (name: string, clock: ManualClock, random: Random, pick: () => TestNode) {
    this.name = name
    this.platform = new LinkedPlatform(clock, () => random.next(), () => {
      this.node = clock.now() < this.blockedUntil ? null : pick()
      return this.node
    })
    this.client = openClient('ws://test/push', { platform: this.platform, clientId: name }, this.platform)
    this.client.on('error', () => {}) // what may succeed later is tried again
    const room = this.client.channel(ROOM)
    room.on('error', () => {})
    for (const event of ['join', 'update', 'leave'] as const) room.on(event, (member) => this.#hear(event, member))
  }

  #hear (event: 'join' | 'update' | 'leave', { clientId, data, cause }: PresentMember): void {
    if (this.members.has(clientId) !== (event !== 'join')) this.wrong.push(`${this.name} hears ${event} of ${clientId}, ${cause}`)
    if (event === 'leave') this.members.delete(clientId)
    else this.members.set(clientId, data)
    this.heard.push(`${cause} ${clientId}`)
  }
}

/** A room on three nodes whose storage loses requests and replies, is late, and is down now and then. Says what is wrong when all is quiet. */
export class FaultyRoom {
  readonly wrong: string[] = []
  /** What the storage has appended, in order: what everybody has to hear. */
  readonly events: string[] = []
  faults = 0
  readonly #random: Random
  readonly #clock = new ManualClock()
  readonly #isFenced: boolean
  readonly #people: Person[] = []
  readonly #nodes: TestNode[] = []
  readonly #names = new Map<string, string>()
  #memory!: StorageAdapter
  #isCalm = false
  #isDown = false

  /** `isFenced`: false lets a late leave of an earlier one count. */
  constructor (seed: number, isFenced = true) {
    this.#random = new Random(seed)
    this.#isFenced = isFenced
  }

  async run (rounds: number, steps: number): Promise<void> {
    this.#memory = memoryStorage({ clock: this.#clock })
    await this.#memory.open({ onError: (error) => { throw error } })
    for (let i = 0; i < 3; i++) await this.#join()
    for (let i = 0; i < 10; i++) this.#people.push(new Person(`c${i}`, this.#clock, this.#random, () => this.#random.pick(this.#nodes)))
    await this.#calm(1000)
    for (let round = 1; round <= rounds; round++) {
      for (let step = 0; step < steps; step++) await this.#step()
      await this.#calm(QUIET)
      await this.#check(`after round ${round}`)
    }
    for (const { client } of this.#people) client.close({ timeout: 0 }).catch(() => {})
    await this.#pass(3000)
    for (const { broker } of this.#nodes) await broker.close()
  }

  /** Watchers that were told of no gap, so that they had to hear of everything. */
  get gapless (): number {
    return this.#people.filter(({ platform }) => platform.gaps === 0).length
  }

  async #join (): Promise<void> {
    const storage = { ...this.#faulty(), supports: { ...this.#memory.supports, shared: true, certain: false }, open: async () => {}, close: async () => {} }
    this.#nodes.push(await openNode({ storage, clock: this.#clock, channels: { 'room/:id': { presence: { grace: '5s' } } }, presence: { online: false }, session: { ttl: '5s' }, limits: { silence: '1d' } }))
  }

  async #pass (ms: number): Promise<void> {
    await this.#clock.advanceAsync(ms)
    await settled()
  }

  async #calm (ms: number): Promise<void> {
    this.#isCalm = true
    this.#isDown = false
    for (const person of this.#people) person.blockedUntil = 0
    for (let passed = 0; passed < ms; passed += 1000) await this.#pass(1000)
    this.#isCalm = false
  }

  async #step (): Promise<void> {
    const random = this.#random
    const person = random.pick(this.#people)
    const room = person.client.channel(ROOM)
    switch (random.weighted({ enter: 30, leave: 12, cut: 20, away: 6, down: 2, kill: 1 })) {
      case 'enter':
        person.wish = random.int(1, 3)
        room.enter(person.wish).catch(() => {}) // a later wish may take its place
        break
      case 'leave':
        person.wish = null
        room.leave().catch(() => {})
        break
      case 'cut':
        person.platform.cut()
        break
      case 'away':
        person.blockedUntil = this.#clock.now() + random.int(1000, 30_000)
        person.platform.cut()
        break
      case 'down':
        this.#isDown = true
        this.#clock.after(random.int(500, 8000), () => { this.#isDown = false })
        break
      case 'kill':
        await this.#kill()
    }
    await this.#pass(random.skewed(4000))
  }

  /** A node is gone, with its connections; another takes its place. */
  async #kill (): Promise<void> {
    const gone = this.#nodes.shift() as TestNode
    gone.broker.presence.close() // it renews nothing any more, and lets nobody leave
    await this.#join()
    for (const { node, platform } of this.#people) if (node === gone) platform.cut()
  }

  async #check (when: string): Promise<void> {
    const truth = this.#people.filter(({ wish }) => wish !== null).map(({ name, wish }) => `${name} ${wish}`).sort().join(', ')
    const { members: stored } = await this.#memory.presence.list(ROOM, { after: null, limit: 100, bytes: 100_000 })
    const listed = stored.map((each) => `${memberIn(each).clientId} ${String(memberIn(each).data)}`).sort().join(', ')
    if (listed !== truth) this.wrong.push(`${when}: there are ${truth}, and the list has ${listed}`)
    for (const { name, members, wrong, platform, heard } of this.#people) {
      this.wrong.push(...wrong.splice(0).map((each) => `${when}: ${each}`))
      const seems = [...members].map(([clientId, data]) => `${clientId} ${String(data)}`).sort().join(', ')
      if (seems !== truth) this.wrong.push(`${when}: there are ${truth}, and to ${name} ${seems}`)
      if (platform.gaps === 0 && heard.join(', ') !== this.events.join(', ')) this.wrong.push(`${when}: ${name} heard ${heard.join(', ')}, not ${this.events.join(', ')}`)
    }
  }

  // ---- what one node sees of the storage

  #faulty (): StorageAdapter {
    const isFenced = this.#isFenced
    return overStorage(this.#memory, {
      presence: (presence) => ({
        enter: (channel, member, change) => this.#call(async () => {
          const { clientId } = memberIn(member)
          this.#names.set(member.key, clientId)
          const entered = await presence.enter(channel, member, change)
          if (entered.change !== 'none' && entered.change !== 'fenced') this.events.push(`${entered.change} ${clientId}`)
          return entered
        }),
        leave: (channel, fence, change) => this.#call(async () => {
          const left = await presence.leave(channel, isFenced ? fence : { ...fence, generation: 1e15 }, isFenced ? change : { ...change, remember: 1 })
          if (left.left) this.events.push(`${change.cause} ${this.#names.get(fence.key)}`)
          return left
        }),
        list: (...args) => this.#call(() => presence.list(...args)),
        renew: (...args) => this.#call(() => presence.renew(...args)),
        orphans: (...args) => this.#call(() => presence.orphans(...args)),
        held: (...args) => this.#call(() => presence.held(...args))
      }),
      feed: (feed) => ({ join: (channel, listener) => feed.join(channel, channel === logOf(ROOM) ? this.#lossy(listener) : listener) })
    })
  }

  /** A request that gets lost, or whose reply does, or that is done when its caller has long given it up. */
  async #call<Outcome> (perform: () => Promise<Outcome>): Promise<Outcome> {
    const random = this.#random
    if (this.#isCalm) return await perform()
    const fate = this.#isDown ? 'refused' : random.weighted({ done: 80, refused: 6, lost: 4, unheard: 6, late: 4 })
    if (fate === 'done') return await perform()
    this.faults++
    if (fate === 'refused') throw new PushError('PUSH_STORAGE_UNAVAILABLE')
    if (fate === 'unheard') await perform()
    if (fate === 'late') this.#clock.after(random.int(1, 3000), () => { perform().catch(() => {}) })
    throw new PushError('PUSH_STORAGE_UNKNOWN')
  }

  /** Loses and repeats announcements, and says so a moment later. */
  #lossy (listener: FeedListener): FeedListener {
    const random = this.#random
    return {
      volatile: (bodies) => listener.volatile(bodies),
      interrupted: () => listener.interrupted(),
      records: (batch) => {
        if (!this.#isCalm && random.chance(0.1)) {
          this.faults++
          this.#clock.after(random.int(1, 2000), () => listener.interrupted())
        } else {
          listener.records(batch)
          if (!this.#isCalm && random.chance(0.1)) listener.records(batch)
        }
      }
    }
  }
}
