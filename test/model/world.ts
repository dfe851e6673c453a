import type { Position } from '../../types/message.js'
import { act } from './actions.js'
import { CursorChecks } from './check-cursors.js'
import { WireChecks } from './check-wire.js'
import { end } from './ending.js'
import { SharedStore } from './faulty-storage.js'
import { History } from './history.js'
import type { Modules } from './modules.js'
import { Network } from './network.js'
import { ServerNode, type Cluster } from './node.js'
import { Person, type ClientProcess, type People } from './person.js'
import { Random } from './random.js'
import { Process, Scheduler, settle } from './scheduler.js'
import { CHANNELS, faultsOf, followingMore, NAMED_TTL, OPTIONS, planOf, SESSION_TTL, weightsOf, WINDOW, type Action, type Faults, type Focus } from './setup.js'

/** One run: two nodes on one store, clients, faults; all of it, and its outcome, from the seed. */
export class World {
  readonly scheduler = new Scheduler()
  readonly random: Random
  /** Chance for what there is in addition where some clients follow many channels; `null` where none does. */
  readonly more: Random | null
  /** Ids that were made up so far. */
  ids = 0
  readonly history: History
  readonly store: SharedStore
  readonly storeProcess: Process
  readonly network: Network
  readonly people: People
  readonly cluster: Cluster
  readonly persons: Person[] = []
  /** Every node that was ever started; the newest of each name counts. */
  readonly nodes: ServerNode[] = []
  readonly #cursors: CursorChecks
  readonly #focus: Focus
  readonly #weights: Readonly<Record<Action, number>>

  constructor (modules: Modules, seed: number, focus: Focus) {
    this.#focus = focus
    this.#weights = weightsOf(focus)
    const { scheduler } = this
    const random = this.random = new Random(seed)
    const more = new Random(~seed)
    this.more = more.chance(focus.more ?? 0.3) ? more : null
    const history = this.history = new History(() => scheduler.time)
    const faults = faultsOf(random, focus)
    this.storeProcess = new Process(scheduler, 'store')
    this.#cursors = new CursorChecks(history, (session, channel, position) => this.#bySession(session)?.unhandled(channel, position))
    this.store = this.#makeStore(modules, faults)
    this.network = new Network(scheduler, random.fork(), faults.network, this.#makeTap())
    this.people = {
      modules,
      scheduler,
      random: random.fork(),
      history,
      network: this.network,
      handlers: faults.handlers,
      onError: (who, error) => history.note(`${who} is told ${(error as Error & { code?: string }).code}: ${error.message}`)
    }
    this.cluster = {
      modules, scheduler, random: random.fork(), history, store: this.store, channels: CHANNELS, options: OPTIONS, refusals: faults.refusals
    }
  }

  /** Runs all of it, or up to the first thing that is wrong. Whatever that is, is in the history. */
  async run (steps: number): Promise<History> {
    const rejections: unknown[] = []
    const onRejection = (error: unknown): void => { rejections.push(error) }
    process.on('unhandledRejection', onRejection)
    try {
      await this.#begin()
      for (let i = 0; i < steps && this.history.findings.length === 0; i++) await this.#step()
      if (this.history.findings.length === 0) await end(this)
    } finally {
      process.off('unhandledRejection', onRejection)
    }
    for (const error of rejections) this.history.found('unhandled-rejection', String((error as Error | undefined)?.stack ?? error))
    for (const error of this.scheduler.thrown) this.history.found('thrown', String((error as Error | undefined)?.stack ?? error))
    return this.history
  }

  /** The nodes that run and take connections. */
  get running (): ServerNode[] {
    return this.nodes.filter((node) => node.process.alive && !node.stopping)
  }

  /** The client processes that run. */
  get clients (): ClientProcess[] {
    return this.persons.flatMap((person) => person.processes.filter((client) => client.alive))
  }

  /** Lets time pass, and what is due in it happen. */
  pass (ms: number): Promise<void> {
    return this.scheduler.runUntil(this.scheduler.time + ms)
  }

  startNode (name: string): void {
    const node = new ServerNode(this.cluster, name)
    this.history.note(`${name} starts`)
    this.nodes.push(node)
    this.network.listeners.push(node)
    node.open()
  }

  /** Nothing connects to the node any more. */
  retireNode (node: ServerNode): void {
    const { listeners } = this.network
    if (listeners.includes(node)) listeners.splice(listeners.indexOf(node), 1)
  }

  /** Starts a process of a client that has none. */
  startPerson (person: Person): void {
    if (person.process === undefined) person.start()
  }

  /** The client process of a name. */
  client (name: string): ClientProcess | undefined {
    for (const person of this.persons) {
      const found = person.processes.find((client) => client.name === name)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Where the cursor of a client really stands. */
  async cursor (client: ClientProcess | undefined, channel: string): Promise<Position | null> {
    return client === undefined ? null : this.store.cursor(channel, client.key)
  }

  async #begin (): Promise<void> {
    await this.store.open()
    for (const name of ['north', 'south']) this.startNode(name)
    const count = this.random.int(2, 4)
    for (let i = 0; i < count; i++) {
      const plan = planOf(this.random, `c${i}`, this.#focus)
      const person = new Person(this.people, this.more?.chance(0.7) === true ? followingMore(this.more, plan) : plan)
      this.persons.push(person)
      if (this.random.chance(0.8)) person.start()
    }
  }

  async #step (): Promise<void> {
    await this.pass(this.random.skewed(3000))
    await act(this, this.random.weighted(this.#weights))
    await settle()
  }

  #bySession (session: string): Person | undefined {
    return this.persons.find((person) => person.processes.some((client) => client.key === session))
  }

  #knows (client: ClientProcess | undefined, channel: string, since: number): boolean {
    if (client === undefined) return false
    return this.#cursors.knows(client.key, channel, since, client.person.plan.named ? NAMED_TTL : SESSION_TTL)
  }

  #makeStore (modules: Modules, faults: Faults): SharedStore {
    const { history, scheduler } = this
    return new SharedStore({
      make: () => modules.storage.memoryStorage({ clock: this.storeProcess.clock }),
      scheduler,
      random: this.random.fork(),
      faults: faults.storage,
      tap: {
        stored: (channel, draft, position) => history.stored(channel, draft, position),
        claimed: (session, generation, node) => history.note(`${node} claims ${session} as generation ${generation}`),
        removed: (channel, session) => this.#cursors.removed(session, channel),
        committed: (channel, commit, outcome, before, after) => this.#cursors.committed(channel, commit, outcome, before, after)
      },
      error: (code) => new modules.errors.PushError(code)
    })
  }

  #makeTap (): WireChecks {
    return new WireChecks(this.history, {
      window: WINDOW,
      reader: (process, channel) => this.client(process)?.readers.get(channel),
      saved: (process, channel) => this.client(process)?.person.saved(channel),
      committed: (process, channel, position, time) => this.#cursors.reached(this.client(process)?.key ?? '', channel, position, time),
      everCommitted: (process, channel, position) => this.#cursors.everReached(this.client(process)?.key ?? '', channel, position),
      acknowledges: (process, channel, position) => this.client(process)?.person.acknowledges(channel, position),
      knows: (process, channel, since) => this.#knows(this.client(process), channel, since),
      told: (process, channel, position) => this.client(process)?.person.tell(channel, position),
      handledElsewhere: (process, channel, position) => this.client(process)?.person.unhandled(channel, position, process) === undefined,
      begins: (process, verdict) => {
        const client = this.client(process)
        client?.person.begins(client.name, verdict, (since) => this.#knows(client, verdict.channel, since))
      },
      renewed: (process) => this.client(process)?.renewed(),
      secret: (process, session) => {
        const client = this.client(process)
        if (client !== undefined) client.secret = session
      }
    })
  }
}
