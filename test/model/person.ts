import { sessionKeyOf } from '../../lib/broker/session-key.js'
import type { ClientOptions, ClientStore } from '../../lib/client/options.js'
import type { Evidence, Platform } from '../../lib/client/platform/platform.js'
import { codes } from '../../lib/protocol/codes.js'
import type { SubscriptionVerdict } from '../../lib/protocol/frames.js'
import type { Message, Position, QoS } from '../../types/message.js'
import { checkAcknowledged, checkUnknown } from './check-publish.js'
import { Reader } from './check-delivery.js'
import { show, type History, type Payload, type Publish } from './history.js'
import type { Modules } from './modules.js'
import type { Network } from './network.js'
import type { Random } from './random.js'
import { Process, type Scheduler } from './scheduler.js'

/** What a client of the model is like. */
export interface Plan {
  readonly name: string
  /** Whether it names itself, so that the server keeps its cursors under that name. */
  readonly named: boolean
  readonly store: 'none' | 'sync' | 'async'
  readonly subscriptions: ReadonlyArray<{ readonly channel: string, readonly qos: QoS, readonly rewind?: number }>
}

/** What the clients of a run share. */
export interface People {
  readonly modules: Modules
  readonly scheduler: Scheduler
  readonly random: Random
  readonly history: History
  readonly network: Network
  /** How handlers behave; chances in [0, 1]. */
  readonly handlers: { slow: number, fail: number, poison: number }
  /** Called with each error that the client tells its application of. */
  readonly onError: (who: string, error: Error) => void
}

/** How long a client may take to save, in milliseconds. */
const SAVING = 500

/** How often a failing handler gets a message. */
const TRIES = 3

/** One client by its identity: its processes come and go, its name and its store stay. */
export class Person {
  readonly plan: Plan
  readonly processes: ClientProcess[] = []
  /** What each process had of each channel, oldest first. */
  readonly readers = new Map<string, Reader[]>()
  /** Where the server has told it that a subscription begins, or goes on after a loss. */
  readonly told = new Map<string, Position[]>()
  readonly store = new Map<string, string>()
  /** Messages of QoS 0, and the process that had them. */
  readonly once = new Map<number, string>()
  readonly #people: People
  readonly #acknowledged = new Map<string, number>()

  constructor (people: People, plan: Plan) {
    this.#people = people
    this.plan = plan
  }

  /** The newest process that runs. */
  get process (): ClientProcess | undefined {
    return this.processes.findLast((client) => client.alive)
  }

  /** The server has told one of its processes where a subscription begins anew, or goes on after a loss. */
  tell (channel: string, position: Position): void {
    const told = this.told.get(channel) ?? []
    this.told.set(channel, [...told, position])
  }

  /** A process of its acknowledges a position. */
  acknowledges (channel: string, { epoch, offset }: Position): void {
    const key = `${channel} ${epoch}`
    this.#acknowledged.set(key, Math.max(offset, this.#acknowledged.get(key) ?? 0))
  }

  /** A process of its begins to read a channel: where an earlier one ended, or the application hears of the loss. */
  begins (process: string, { channel, verdict, position, gap }: SubscriptionVerdict, known: (since: number) => boolean): void {
    const readers = this.readers.get(channel) ?? []
    const reader = readers.findLast((each) => each.process === process)
    const before = readers.filter((each) => each !== reader && each.settled !== null && each.qos > 0)
    if (before.every((each) => each.ended) || reader === undefined || reader.qos === 0) return
    if (verdict === 'started' ? !known(reader.since) : gap !== undefined && gap.from === null) return
    const to = gap?.from == null ? position.offset : gap.from - 1
    if (before.every((each) => each.unhandled(position.epoch, to) !== undefined)) {
      const handled = before.map((each) => `${each.process} had handled up to ${show(each.settled)}`).join(', ')
      this.#people.history.found('resumed-wrong', `${process} is told '${verdict}' in ${channel} at ${show(position)}; ${handled}`)
    }
  }

  start (): ClientProcess {
    if (this.process !== undefined) this.isShared = true
    const client = new ClientProcess(this.#people, this, `${this.plan.name}.${this.processes.length + 1}`)
    this.processes.push(client)
    for (const { channel, qos, rewind } of this.plan.subscriptions) client.subscribe(channel, qos, rewind)
    return client
  }

  /** Whether it ever had two processes at once. */
  isShared = false

  /** What its store says it has handled of a channel; `undefined` where it has no store. */
  saved (channel: string): Position | null | undefined {
    if (this.plan.store === 'none') return undefined
    for (const text of this.store.values()) {
      const { cursors } = JSON.parse(text) as { cursors?: Record<string, Position> }
      if (cursors?.[channel] !== undefined) return cursors[channel] as Position
    }
    return null
  }

  /** What of `… position` no process (but perhaps `except`) has handled and nobody was told of, or `undefined`. */
  unhandled (channel: string, position: Position, except?: string): number | undefined {
    let due: number | undefined = position.offset
    // What it has acknowledged was checked when it did so.
    if (except === undefined && (this.#acknowledged.get(`${channel} ${position.epoch}`) ?? -1) >= position.offset) return undefined
    for (const reader of this.readers.get(channel) ?? []) {
      if (reader.process === except) continue
      const here = reader.unhandled(position.epoch, position.offset)
      if (here === undefined) return undefined
      due = Math.max(due, here)
    }
    for (const told of this.told.get(channel) ?? []) {
      if (told.epoch === position.epoch && told.offset >= position.offset) return undefined
      if (told.epoch === position.epoch && this.#people.history.firstDue(channel, told.epoch, told.offset + 1, position.offset) === undefined) return undefined
    }
    return due
  }
}

/** One process of a client, with the real client in it. */
export class ClientProcess {
  readonly name: string
  readonly person: Person
  readonly process: Process
  readonly client: ReturnType<Modules['client']['openClient']>
  readonly readers = new Map<string, Reader>()
  /** The secret of its session. */
  secret = ''
  readonly #people: People
  readonly #unsubscribe = new Map<string, () => void>()
  readonly #attempts = new Map<string, number>()
  /** Channels that it asked to go back in. */
  readonly #rewound = new Set<string>()
  #watchers: Array<(evidence: Evidence) => void> = []
  #pending: Publish[] = []

  constructor (people: People, person: Person, name: string) {
    this.#people = people
    this.person = person
    this.name = name
    this.process = new Process(people.scheduler, name, people.random.int(-500_000, 500_000))
    const { named, store } = person.plan
    const options: ClientOptions = {
      onError: { tries: TRIES, delay: 100 },
      ackDelay: people.random.pick([0, 0, 20]),
      ...(named ? { clientId: person.plan.name } : {}),
      ...(store === 'none' ? {} : { store: this.#store(store) })
    }
    this.client = people.modules.client.openClient('ws://model/push', options, this.#platform())
    this.client.on('state', (state: string) => people.history.note(`${name} is ${state}`))
    this.client.on('error', (error: Error) => people.onError(name, error))
  }

  /** The name of its session in the store. */
  get key (): string {
    const { named, name } = this.person.plan
    return sessionKeyOf(undefined, { session: this.secret, clientId: named ? name : undefined })
  }

  get alive (): boolean {
    return this.process.alive && this.client.state !== 'closed'
  }

  /** Ends at once: nothing is saved, nobody is told. */
  kill (): void {
    this.#people.history.note(`${this.name} is killed`)
    this.process.kill()
    // Its store may not know yet: then the next process sends once more what this one was refused.
    for (const publish of this.#people.history.publishes) {
      if (publish.by !== this.name) continue
      if (publish.refusedAt > this.#people.history.now - SAVING) publish.unknown++
      if (publish.qos === 1) publish.renewed = true // its number need not have been saved
    }
    for (const publish of this.#pending.splice(0)) {
      publish.pending--
      publish.unknown++
    }
  }

  subscribe (channel: string, qos: QoS, rewind?: number): void {
    if (!this.alive || this.readers.has(channel)) return
    const { history } = this.#people
    history.note(`${this.name} subscribes to ${channel} at QoS ${qos}`)
    const reader = new Reader(history, this.name, channel, qos)
    if (rewind !== undefined) this.#rewound.add(channel)
    reader.saved = this.person.saved(channel) ?? null
    this.readers.set(channel, reader)
    const all = this.person.readers.get(channel) ?? []
    this.person.readers.set(channel, [...all, reader])
    const room = this.client.channel(channel)
    const offGap = room.on('gap', (gap) => { if (this.readers.get(channel) === reader) reader.gap(gap) })
    const subscription = room.subscribe((message) => this.#handle(reader, message as Message<Payload>), { qos, ...(rewind === undefined ? {} : { rewind }) })
    this.#unsubscribe.set(channel, () => {
      offGap()
      offError()
      subscription.unsubscribe().catch(() => {})
    })
    // Refused, now or when it was to go on: the subscription is over. What is stored of it stays.
    const offError = room.on('error', ({ code }) => {
      if (codes[code].retry !== 'never' || code === 'PUSH_HANDLER_FAILED') return
      if (this.readers.get(channel) === reader) this.readers.delete(channel)
      offGap()
      offError()
    })
  }

  /** Ends a subscription for good: its stored cursor is forgotten. */
  unsubscribe (channel: string): void {
    if (!this.alive || !this.readers.has(channel)) return
    this.#people.history.note(`${this.name} unsubscribes from ${channel}`)
    this.forget(channel)
    this.#unsubscribe.get(channel)?.()
    this.#unsubscribe.delete(channel)
  }

  /** The subscription is over. */
  forget (channel: string): void {
    this.readers.delete(channel)
    for (const reader of this.person.readers.get(channel) ?? []) reader.ended = true
  }

  publish (channel: string, qos: QoS, options: { id?: string, ttl?: number }): Publish {
    const { history } = this.#people
    const publish = history.publish(this.name, channel, qos, { id: options.id, ordered: options.id === undefined })
    publish.pending++
    this.#pending.push(publish)
    history.note(`${this.name} publishes #${publish.ref} to ${channel} at QoS ${qos} ${JSON.stringify(options)}`)
    this.client.channel(channel).publish({ ref: publish.ref }, { qos, ...options }).then(
      (result) => {
        this.#settled(publish, 'ok')
        checkAcknowledged(history, publish, result?.position ?? null)
      },
      (error: { code?: string, cause?: { code?: string } }) => {
        if (error.code === 'PUSH_UNKNOWN' && error.cause?.code === 'PUSH_FORBIDDEN') checkUnknown(history, publish)
        this.#settled(publish, error.code === 'PUSH_UNKNOWN' || error.code === 'PUSH_STORAGE_UNKNOWN' ? 'unknown' : 'refused', error.code)
      })
    return publish
  }

  close (): void {
    if (this.process.alive) this.client.close().catch(() => {})
  }

  /** Every message that is on its way may be stored once more: the client has a new identity. */
  renewed (): void {
    const { history } = this.#people
    for (const publish of history.publishes) {
      const isMine = publish.by === this.name || this.person.processes.some((client) => client.name === publish.by && !client.process.alive)
      if (isMine && (publish.qos < 2 || history.copies.has(publish.ref))) publish.renewed = true
    }
  }

  /** The platform notices something. */
  sense (evidence: Evidence): void {
    if (!this.alive) return
    this.#people.history.note(`${this.name} senses ${evidence}`)
    for (const watcher of this.#watchers) watcher(evidence)
  }

  #settled (publish: Publish, how: 'ok' | 'refused' | 'unknown', code?: string): void {
    publish.pending--
    publish[how]++
    if (how === 'refused') publish.refusedAt = this.#people.history.now
    this.#pending.splice(this.#pending.indexOf(publish), 1)
    this.#people.history.note(`${this.name} hears that #${publish.ref} is ${how} ${code ?? ''}`)
  }

  #handle (reader: Reader, message: Message<Payload>): unknown {
    const { random, handlers } = this.#people
    const { position } = message
    if (!this.process.alive) return undefined
    reader.handed(message)
    this.#checkOnce(reader, message)
    if (position === null) return undefined
    const fails = this.#fails(reader.channel, message.data.ref)
    const finish = (): void => {
      if (!fails) return reader.done(position)
      reader.failed(position)
      const key = `${reader.channel} ${message.data.ref}`
      const attempts = (this.#attempts.get(key) ?? 0) + 1
      this.#attempts.set(key, attempts)
      if (attempts >= TRIES) {
        reader.done(position)
        this.#attempts.delete(key)
      }
      throw new Error('the handler fails')
    }
    if (!random.chance(handlers.slow)) return finish()
    return new Promise<void>((resolve) => { this.process.later(random.skewed(2000), resolve) }).then(finish)
  }

  // A message of QoS 0 reaches a client once at the most, whichever of its processes that is.
  #checkOnce (reader: Reader, { data: { ref } }: Message<Payload>): void {
    const { history } = this.#people
    const { once } = this.person
    if (history.publishes[ref]?.qos !== 0 || this.#rewound.has(reader.channel)) return
    const by = once.get(ref)
    if (by !== undefined && by !== this.name && !this.person.isShared) history.found('repeat', `${this.name} is handed #${ref} (QoS 0), which ${by} had`)
    once.set(ref, this.name)
  }

  // Some messages fail every time, others now and then.
  #fails (channel: string, ref: number): boolean {
    const { random, handlers } = this.#people
    if (handlers.poison > 0 && (ref * 7919) % 97 < handlers.poison * 97) return true
    return random.chance(handlers.fail)
  }

  #platform (): Platform {
    const { random, network } = this.#people
    return {
      name: 'model',
      clock: this.process.clock,
      random: () => random.next(),
      secret: () => random.secret(),
      connect: (_url, protocols, events) => network.connect(this.process, protocols, events),
      watch: (listener) => {
        this.#watchers = [...this.#watchers, listener]
        return () => { this.#watchers = this.#watchers.filter((each) => each !== listener) }
      }
    }
  }

  #store (kind: 'sync' | 'async'): ClientStore {
    const { store } = this.person
    const { random } = this.#people
    const later = <T>(action: () => T): T | Promise<T> => kind === 'sync'
      ? action()
      : new Promise((resolve) => {
        this.process.later(random.int(1, 60), () => {
          const result = action()
          this.process.later(random.int(1, 60), () => resolve(result))
        })
      })
    return {
      getItem: (key) => later(() => store.get(key) ?? null),
      setItem: (key, value) => later(() => { store.set(key, value) }),
      removeItem: (key) => later(() => { store.delete(key) })
    }
  }
}
