import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { FeedListener, StorageAdapter } from '../../types/storage.js'
import { openNode, overStorage, type TestNode } from '../helpers/node.js'

/** What can be switched off, to see that it is missed. */
export type Switch = 'fencing' | 'clock'

/** A process that can be stopped and go on: what happens to it meanwhile happens to it afterwards, in order. */
class Gate {
  isOpen = true
  #waiting: (() => void)[] = []

  run (work: () => void): void {
    if (this.isOpen) work()
    else this.#waiting.push(work)
  }

  pass (): Promise<void> {
    return new Promise((resolve) => this.run(resolve))
  }

  /** Each in a turn of the event loop of its own, as a process would find it. */
  async open (): Promise<void> {
    for (let work = this.#waiting.shift(); work !== undefined; work = this.#waiting.shift()) {
      work()
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    this.isOpen = true
  }
}

/** The clock of such a process. Its timers are late; `frozen`: it even knows nothing of the time that has passed. */
class ProcessClock extends ManualClock {
  readonly #world: ManualClock
  readonly #gate: Gate
  readonly #isFrozen: boolean
  #lost = 0
  #stoppedAt: number | null = null

  constructor (world: ManualClock, gate: Gate, isFrozen: boolean) {
    super()
    this.#world = world
    this.#gate = gate
    this.#isFrozen = isFrozen
  }

  stop (): void {
    this.#stoppedAt = this.#world.now()
  }

  goOn (): void {
    if (this.#stoppedAt !== null && this.#isFrozen) this.#lost += this.#world.now() - this.#stoppedAt
    this.#stoppedAt = null
  }

  override now (): number {
    return (this.#isFrozen ? this.#stoppedAt ?? this.#world.now() : this.#world.now()) - this.#lost
  }

  override timestamp (): number {
    return this.#world.timestamp()
  }

  override after (ms: number, callback: () => void): () => void {
    return this.#world.after(ms, () => this.#gate.run(callback))
  }
}

// The storage as such a process sees it.
function through (gate: Gate, storage: StorageAdapter, isFenced: boolean): StorageAdapter {
  const late = <Port extends object> (port: Port): Port => new Proxy(port, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return async (...values: unknown[]) => {
        await gate.pass()
        const result: unknown = await value.apply(target, values)
        await gate.pass()
        return result
      }
    }
  })
  const hears = ({ records, volatile, interrupted }: FeedListener, listener: FeedListener): FeedListener => ({
    records: (batch) => gate.run(() => records.call(listener, batch)),
    volatile: (bodies) => gate.run(() => volatile.call(listener, bodies)),
    interrupted: () => gate.run(() => interrupted.call(listener))
  })
  return {
    ...overStorage(storage, {
      log: late,
      cursors: (cursors) => ({
        ...late(cursors),
        load: late(cursors).load,
        reached: late(cursors).reached,
        remove: late(cursors).remove,
        commit: (channel, commits) => late(cursors).commit(channel, isFenced ? commits : commits.map((commit) => ({ ...commit, generation: 1 })))
      }),
      feed: (feed) => ({ join: (channel, listener) => feed.join(channel, hears(listener, listener)), broadcast: late(feed).broadcast }),
      sessions: (sessions) => {
        const { find, claim, acquire, restore, touch, remove } = late(sessions)
        return {
          find,
          claim,
          acquire,
          restore,
          remove,
          touch: isFenced ? touch : async () => true,
          watch: isFenced ? (listener) => sessions.watch((session, generation) => gate.run(() => listener(session, generation))) : () => () => {}
        }
      }
    }),
    open: async () => {},
    close: async () => {}
  }
}

/** A node that can be stopped, go on, or be killed. */
export class StalledNode {
  readonly node: TestNode
  isDead = false
  readonly #gate: Gate
  readonly #clock: ProcessClock

  private constructor (node: TestNode, gate: Gate, clock: ProcessClock) {
    this.node = node
    this.#gate = gate
    this.#clock = clock
  }

  static async open (clock: ManualClock, storage: StorageAdapter, off: Switch | null): Promise<StalledNode> {
    const gate = new Gate()
    const own = new ProcessClock(clock, gate, off === 'clock')
    const node = await openNode({ clock: own, storage: through(gate, storage, off !== 'fencing'), limits: { silence: '1d' } })
    return new StalledNode(node, gate, own)
  }

  get isRunning (): boolean {
    return this.#gate.isOpen
  }

  /** Something comes to the node from outside. */
  comes (work: () => void): void {
    this.#gate.run(work)
  }

  stop (): void {
    if (this.isRunning) this.#clock.stop()
    this.#gate.isOpen = false
  }

  async goOn (): Promise<void> {
    if (this.isDead) return
    this.#clock.goOn()
    await this.#gate.open()
  }

  kill (): void {
    this.stop()
    this.isDead = true
  }
}
