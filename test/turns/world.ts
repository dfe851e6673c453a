import { decodeServerFrame } from '../../lib/protocol/codec.js'
import type { ServerFrame } from '../../lib/protocol/frames.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { openNode, settled, type FakePeer, type TestNode } from '../helpers/node.js'
import { secret } from '../helpers/peer.js'
import { serverFrames, type RawFrame } from '../helpers/raw.js'
import { Random } from '../model/random.js'
import { StalledNode, type Switch } from './stalled-node.js'

const ANY = '$inbox/any'
const LEASE = '*/alice'

/** One client of the user. It handles what it is given at once, and acknowledges it sooner or later. */
class Person {
  readonly name: string
  peer: FakePeer | null = null
  at: StalledNode | null = null
  /** Up to here it has handled what it was given. */
  received = 0

  constructor (name: string) {
    this.name = name
  }
}

/** Some nodes on one storage, and clients of one user that come and go. Says what is wrong. */
export class World {
  readonly wrong: string[] = []
  /** Who handled which message, by its offset. */
  readonly handled = new Map<number, string[]>()
  turns = 0
  readonly #random: Random
  readonly #off: Switch | null
  readonly #clock = new ManualClock()
  readonly #storage = memoryStorage({ clock: this.#clock })
  readonly #people: Person[]
  #nodes: StalledNode[] = []
  #home!: TestNode
  /** To whom the server has given the turn last. */
  #reader: FakePeer | null = null
  #epoch = ''
  #sent = 0
  /** Up to here a node that was running has taken an acknowledgement. */
  #counted = 0

  constructor (seed: number, people: number, off: Switch | null = null) {
    this.#random = new Random(seed)
    this.#off = off
    this.#people = Array.from({ length: people }, (_, i) => new Person(`c${i}`))
  }

  async run (steps: number): Promise<this> {
    await this.#storage.open({ onError: (error) => { throw error } })
    this.#home = await openNode({ clock: this.#clock, storage: { ...this.#storage, open: async () => {}, close: async () => {} } })
    for (let i = 0; i < 3; i++) await this.#join()
    for (let step = 0; step < steps; step++) await this.#step()
    await this.#rest()
    for (const { node, isDead } of this.#nodes) if (!isDead) this.wrong.push(...node.errors.map(String))
    return this
  }

  /** Messages that more than one client handled. */
  get twice (): number {
    return [...this.handled.values()].filter((names) => names.length > 1).length
  }

  async #join (): Promise<void> {
    this.#nodes.push(await StalledNode.open(this.#clock, this.#storage, this.#off))
  }

  async #step (): Promise<void> {
    const random = this.#random
    const person = random.pick(this.#people)
    const running = this.#nodes.filter(({ isRunning }) => isRunning)
    switch (random.weighted({ send: 30, connect: 20, acknowledge: 40, cut: 14, leave: 6, ask: 6, takeOver: 6, stop: 4, goOn: 3, kill: 1, evict: 4, wait: 20 })) {
      case 'send': return this.#send(random.int(1, 4))
      case 'connect': return person.peer === null ? this.#connect(person, random.pick(running)) : undefined
      case 'takeOver': return this.#connect(person, random.pick(running)) // its old connection has yet to end
      case 'acknowledge': return this.#acknowledge()
      case 'cut': return this.#cut(person)
      case 'leave': return this.#tell(person, { type: 'unsubscribe', id: 1, channel: ANY })
      case 'ask': return this.#tell(person, { type: 'subscribe', id: 2, channel: ANY, qos: random.int(1, 2) })
      case 'stop': return running.length > 1 ? random.pick(running).stop() : undefined
      case 'goOn': await random.pick(this.#nodes).goOn(); return settled()
      case 'kill': return running.length > 1 ? this.#kill(random.pick(running)) : undefined
      case 'evict': return running.length === this.#nodes.length ? this.#evict() : undefined
      case 'wait': return this.#pass(random.skewed(120_000))
    }
  }

  async #pass (ms: number): Promise<void> {
    await this.#clock.advanceAsync(ms)
    await settled()
  }

  async #send (count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { position } = await this.#home.broker.send('alice', ++this.#sent, { deliver: 'any', qos: 2 })
      this.#epoch = position?.epoch ?? ''
    }
    await settled()
  }

  async #connect (person: Person, at: StalledNode): Promise<void> {
    const peer = at.node.connect({ userId: 'alice' })
    person.peer = peer
    person.at = at
    peer.socket.onWrite = () => this.#hear(person, peer, peer.socket.writes.at(-1) as Uint8Array)
    await this.#tell(person, { type: 'hello', session: secret(), clientId: person.name, subscriptions: [{ channel: ANY, qos: this.#random.int(1, 2) }] })
    await this.#tell(person, { type: 'pong' })
  }

  async #tell ({ peer, at }: Person, frame: object): Promise<void> {
    if (peer === null || at === null) return
    at.comes(() => peer.connection.receive(JSON.stringify(frame)))
    await settled()
  }

  async #cut (person: Person): Promise<void> {
    const { peer, at } = person
    if (peer === null) return
    person.peer = null
    peer.socket.onWrite = () => {} // what is still written reaches nobody
    this.#ended(peer)
    at?.comes(() => peer.connection.closed(this.#random.chance(0.5) ? 1000 : undefined))
    await settled()
  }

  // The store forgets the lease. That is beyond what is promised to a node that stops before it can have noticed.
  async #evict (): Promise<void> {
    await this.#storage.sessions.remove(LEASE, Number.MAX_SAFE_INTEGER)
    await this.#pass(13_000)
  }

  async #kill (gone: StalledNode): Promise<void> {
    gone.kill()
    this.#nodes = this.#nodes.filter((node) => node !== gone)
    for (const person of this.#people) if (person.at === gone) person.peer = person.at = null
    await this.#join()
  }

  async #acknowledge (): Promise<void> {
    const person = this.#people.find(({ peer }) => peer !== null && peer === this.#reader)
    if (person === undefined || this.#epoch === '' || person.received === 0) return
    const { at, peer, received } = person
    const offset = this.#random.chance(0.7) ? received : this.#random.int(Math.min(this.#counted + 1, received), received)
    await this.#tell(person, { type: 'ack', positions: [{ channel: ANY, epoch: this.#epoch, offset }] })
    if (at?.isRunning === true && this.#reader === peer) this.#counted = Math.max(this.#counted, offset)
  }

  #ended (peer: FakePeer | null): void {
    if (this.#reader === peer) this.#reader = null
  }

  // ---- what the server writes

  #hear (person: Person, peer: FakePeer, bytes: Uint8Array): void {
    const raw: RawFrame[] = []
    serverFrames(Buffer.from(bytes), raw)
    for (const { payload } of raw) {
      const decoded = decodeServerFrame(String(payload))
      if (decoded.status === 'frame') this.#frame(person, peer, decoded.frame)
    }
  }

  #frame (person: Person, peer: FakePeer, frame: ServerFrame): void {
    if (frame.type === 'welcome') {
      for (const each of frame.subscriptions) if ('verdict' in each) this.#turn(person, peer, each.position.offset)
    } else if (frame.type === 'subscribed') {
      this.#turn(person, peer, frame.position.offset)
    } else if (frame.type === 'goodbye' || frame.type === 'unsubscribed') {
      this.#ended(peer)
    } else if (frame.type === 'messages') {
      this.#messages(person, peer, frame.from ?? 0, frame.messages.length)
    }
  }

  #turn (person: Person, peer: FakePeer, offset: number): void {
    this.turns++
    this.#reader = peer
    if (offset < this.#counted) this.wrong.push(`${person.name} begins at ${offset}, though ${this.#counted} was acknowledged`)
    person.received = Math.max(person.received, offset)
  }

  #messages (person: Person, peer: FakePeer, from: number, count: number): void {
    if (this.#reader !== peer) this.wrong.push(`${person.name} is sent ${from}, and it is not its turn`)
    for (let offset = from; offset < from + count; offset++) {
      if (offset <= person.received) continue // [P-6.7]
      if (offset > person.received + 1) this.wrong.push(`${person.name} is sent ${offset} after ${person.received}`)
      if (offset <= this.#counted) this.wrong.push(`${person.name} is sent ${offset}, though ${this.#counted} was acknowledged`)
      person.received = offset
      this.handled.set(offset, [...this.handled.get(offset) ?? [], person.name])
    }
  }

  // Everything goes on, and whoever reads acknowledges, until nothing is left.
  async #rest (): Promise<void> {
    for (const node of this.#nodes) await node.goOn()
    await this.#connect(this.#people[0] as Person, this.#nodes[0] as StalledNode)
    for (let i = 0; i < 30 && this.#counted < this.#sent; i++) {
      await this.#pass(6000)
      await this.#acknowledge()
    }
    if (this.#counted < this.#sent) this.wrong.push(`only ${this.#counted} of ${this.#sent} were acknowledged in the end`)
    for (let offset = 1; offset <= this.#sent; offset++) if (!this.handled.has(offset)) this.wrong.push(`nobody handled ${offset}`)
    if (await this.#home.broker.unread('alice', { deliver: 'any' }) > 0) this.wrong.push('the cursor lags')
  }
}
