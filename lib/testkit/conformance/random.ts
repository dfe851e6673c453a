import assert from 'node:assert/strict'
import type { CursorCommit, Draft, FeedBatch, Retention, StorageAdapter } from '../../../types/storage.js'
import { Ear, HALF, LONG, append, by, draft, outcomesAre, randomFrom, shown, withId, type Kit } from './kit.js'
import { ReferenceChannel } from './reference.js'

const CHANNELS = ['a', 'a/b', 'A']
// Durations end half-way between the moments at which anything happens, so that no outcome hangs on the last millisecond.
const AGES = new Map([['a', LONG], ['a/b', 5.5 * HALF], ['A', 2.5 * HALF]])
const STEPS = 400
/** How many random tests there are, each with a seed of its own. */
const RUNS = 3

/** Random operations, held against the reference. The seed is in the name of the test and replays it. Where the adapter is shared, two take turns. */
export function random (kit: Kit): void {
  const first = kit.seed ?? Math.floor(Math.random() * 2 ** 31)
  for (let seed = first; seed < first + RUNS; seed++) {
    kit.open(`random: operations agree with the reference (seed ${seed})`, async (storage) => {
      await kit.withPeer(storage, async (peer) => { await new Walk(kit, [storage, peer], randomFrom(seed)).run() })
    })
  }
}

class Walk {
  readonly #kit: Kit
  readonly #storages: readonly StorageAdapter[]
  readonly #random: () => number
  /**
   * Whether messages have a ttl of their own, or the channels a bound in bytes that matters. Not both: how soon a body that
   * has run out stops to count is the adapter's own affair.
   */
  readonly #mortal: boolean
  readonly #references = new Map(CHANNELS.map((name) => [name, new ReferenceChannel()]))
  readonly #ears = new Map(CHANNELS.map((name) => [name, new Ear()]))
  readonly #stored = new Map<string, string[]>(CHANNELS.map((name) => [name, []]))
  #now = 0
  #texts = 0

  constructor (kit: Kit, storages: readonly StorageAdapter[], random: () => number) {
    this.#kit = kit
    this.#storages = storages
    this.#random = random
    this.#mortal = random() < 0.5
  }

  async run (): Promise<void> {
    for (const [name, ear] of this.#ears) await this.#storage.feed.join(name, ear)
    for (let step = 0; step < STEPS && this.#now < this.#kit.longest; step++) {
      if (this.#kit.isBehind()) await this.#wait(HALF)
      const name = this.#one(CHANNELS)
      const act = this.#one([this.#append, this.#append, this.#append, this.#read, this.#read, this.#recognise, this.#commit, this.#load, this.#pass])
      try {
        await act.call(this, name)
      } catch (error) {
        throw new Error(`step ${step} in '${name}': ${(error as Error).message}`, { cause: error })
      }
    }
    for (const name of CHANNELS) await this.#feedAgrees(name)
  }

  async #append (name: string): Promise<void> {
    const drafts = Array.from({ length: this.#below(4) }, () => this.#draft())
    const retention: Retention = { limit: 1 + this.#below(12), bytes: this.#mortal ? 100_000 : 40 + this.#below(60), ttl: AGES.get(name) as number }
    const expected = this.#reference(name).append(drafts, retention, this.#now)
    outcomesAre(await this.#storage.log.append(name, drafts, retention), expected)
    expected.forEach((outcome, i) => {
      if (outcome.startsWith('stored')) this.#stored.get(name)?.push(`${outcome.slice(7)} ${shown((drafts[i] as Draft).body)}`)
    })
    await this.#read(name)
  }

  async #read (name: string): Promise<void> {
    const reference = this.#reference(name)
    const from = this.#below(reference.head + 3)
    const limit = this.#below(8)
    const page = await this.#storage.log.read(name, { from, limit, bytes: 1000 })
    const records = page.records.map(({ body }, i) => `${page.from + i} ${shown(body)}`)
    assert.deepEqual({ head: page.head, first: page.first, records }, reference.read(from, limit, this.#now), `read from ${from}, limit ${limit}`)
  }

  async #recognise (name: string): Promise<void> {
    const key = this.#draft()
    const recognised = await this.#storage.log.recognise(name, key)
    outcomesAre([recognised], [this.#reference(name).recognise(key)])
  }

  async #commit (name: string): Promise<void> {
    const commits: CursorCommit[] = Array.from({ length: 1 + this.#below(3) }, () => ({
      session: this.#one(['s', 't']),
      generation: 1 + this.#below(4),
      number: 1 + this.#below(20),
      position: { epoch: this.#one(['e1', 'e2']), offset: this.#below(30) },
      ttl: this.#one([LONG, 3.5 * HALF])
    }))
    const expected = commits.map((commit) => this.#reference(name).commit(commit, this.#now))
    assert.deepEqual(await this.#storage.cursors.commit(name, commits), expected, 'commit')
    if (this.#random() < 0.2) {
      const generation = this.#below(6)
      this.#reference(name).remove('s', generation, this.#now)
      await this.#storage.cursors.remove(name, 's', generation)
    }
  }

  async #load (name: string): Promise<void> {
    for (const session of ['s', 't', 'u']) {
      const position = await this.#storage.cursors.load(name, session)
      assert.equal(position === null ? 'none' : `${position.epoch} ${position.offset}`, this.#reference(name).load(session, this.#now), `cursor of ${session}`)
    }
  }

  async #pass (): Promise<void> {
    await this.#wait(HALF * (1 + this.#below(3)))
  }

  async #wait (ms: number): Promise<void> {
    await this.#kit.advance(ms)
    this.#now += ms
  }

  /** All that was stored was announced, in order, unless the feed said that it may have lost something. */
  async #feedAgrees (name: string): Promise<void> {
    const ear = this.#ears.get(name) as Ear
    const [last] = await append(this.#storage, name, 'last')
    assert.ok(last?.status === 'stored')
    const { offset } = last.position
    await this.#kit.until(() => ear.knows(offset), 'the last record is announced')
    if (ear.interruptions > 0) return
    assert.deepEqual(ear.heard, [...this.#stored.get(name) as string[], `${offset} last`])
    assert.ok(ear.batches.every(({ epoch }: FeedBatch) => epoch === last.position.epoch), 'one epoch')
  }

  #draft (): Draft {
    const more = {
      ...(this.#random() < 0.5 ? by(this.#one(['p', 'q']), 1 + this.#below(40)) : {}),
      ...(this.#random() < 0.3 ? withId(`i${this.#below(12)}`, this.#one(['f', 'g'])) : {}),
      ...(this.#mortal && this.#random() < 0.3 ? { ttl: 2.5 * HALF } : {})
    }
    return draft(`${this.#texts++}`.padStart(1 + this.#below(10), '.'), { qos: this.#one([0, 1, 2] as const), ...more })
  }

  get #storage (): StorageAdapter {
    return this.#one(this.#storages)
  }

  #reference (name: string): ReferenceChannel {
    return this.#references.get(name) as ReferenceChannel
  }

  #below (limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #one<Item> (items: readonly Item[]): Item {
    return items[this.#below(items.length)] as Item
  }
}
