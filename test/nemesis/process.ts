import type { Client, ClientOptions, ClientSocket, ClientStore, Platform, Position } from '../../lib/client/index.js'
import type { Library } from './library.js'

/** What survives: the store of one client, whatever becomes of its processes. */
type Disk = Map<string, string>

/** What a client's store holds, as far as a test wants to know. */
interface Saved {
  readonly cursors: Readonly<Record<string, Position>>
  readonly outbox: readonly unknown[]
}

/** A platform that can die: from then on nothing that it was asked for happens. */
function mortal (base: Platform, alive: () => boolean): { platform: Platform, die: () => void } {
  const timers = new Set<() => void>()
  const sockets = new Set<ClientSocket>()
  const nothing: ClientSocket = { send () {}, buffered: () => 0, close () {}, abandon () {} }
  const after: Platform['clock']['after'] = (ms, callback) => {
    if (!alive()) return () => {}
    const stop = base.clock.after(ms, () => {
      timers.delete(stop)
      callback()
    })
    timers.add(stop)
    return () => {
      timers.delete(stop)
      stop()
    }
  }
  const connect: Platform['connect'] = (url, protocols, events) => {
    if (!alive()) return nothing
    const socket = base.connect(url, protocols, events)
    const send = (text: string): void => { if (alive()) socket.send(text) }
    sockets.add(socket)
    return { ...socket, send }
  }
  const die = (): void => {
    for (const stop of timers) stop()
    for (const socket of sockets) socket.abandon()
  }
  return { platform: { ...base, connect, clock: { ...base.clock, after } }, die }
}

export interface ProcessEvents {
  /** A process begins: the application sets its client up. `alive` says whether it is still this one. */
  start (client: Client, alive: () => boolean): void
}

/** A client's application, process after process, on one disk. */
export class ClientProcess {
  readonly #library: Library
  readonly #url: string
  readonly #options: ClientOptions
  readonly #events: ProcessEvents
  readonly #disk: Disk = new Map()
  #client: Client | null = null
  #endedWith = ''
  #generation = 0
  #die = (): void => {}
  #closing: Promise<void> = Promise.resolve()

  constructor (library: Library, url: string, options: ClientOptions, events: ProcessEvents) {
    this.#library = library
    this.#url = url
    this.#options = options
    this.#events = events
  }

  /** Of its client, and why if that has ended by itself. */
  get state (): string {
    return `${this.#client?.state ?? 'none'}${this.#endedWith}`
  }

  /** What the disk holds now. */
  get saved (): Saved {
    const text = [...this.#disk.values()][0]
    return text === undefined ? { cursors: {}, outbox: [] } : JSON.parse(text) as Saved
  }

  start (): void {
    const generation = ++this.#generation
    const alive = (): boolean => this.#generation === generation
    const { platform, die } = mortal(this.#library.nodePlatform(), alive)
    this.#die = die
    this.#client = this.#library.createClient(this.#url, { ...this.#options, platform, store: this.#store(alive) })
    this.#client.on('state', (state, error) => { if (state === 'closed' && alive() && error !== null) this.#endedWith = ` with ${error.code}` })
    this.#events.start(this.#client, alive)
  }

  /** Ends without a word, as a process does that is killed. */
  kill (): void {
    this.#generation++
    this.#client = null
    this.#die()
  }

  /** Ends in order, within `timeout` milliseconds. */
  async close (timeout: number): Promise<void> {
    const client = this.#client
    this.#client = null
    if (client !== null) this.#closing = client.close({ timeout })
    await this.#closing
  }

  #store (alive: () => boolean): ClientStore {
    return {
      getItem: (key) => this.#disk.get(key),
      setItem: (key, value) => { if (alive()) this.#disk.set(key, value) },
      removeItem: (key) => { if (alive()) this.#disk.delete(key) }
    }
  }
}
