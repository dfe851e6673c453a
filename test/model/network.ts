import type { ClientSocket, SocketEvents } from '../../lib/client/platform/platform.js'
import type { Socket } from '../../lib/connection/socket.js'
import { HELLO_PREFIX } from '../../lib/protocol/version.js'
import { textsOf } from './frames.js'
import { Pipe } from './pipe.js'
import type { Random } from './random.js'
import type { Process, Scheduler } from './scheduler.js'

/** What a server does with a connection it has accepted. */
export interface ServerEnd {
  message (text: string): void
  drained (): void
  closed (code: number, reason: string): void
}

/** A server that listens. */
export interface Listener {
  readonly process: Process
  /** The upgrade request has come in. */
  accept (link: Link, protocols: readonly string[]): ServerEnd
}

/** Who watches the wire. */
export interface Tap {
  /** A hello travels in the upgrade request. */
  offered (link: Link, hello: string): void
  clientSent (link: Link, text: string): void
  serverReceived (link: Link, text: string): void
  serverSent (link: Link, text: string): void
  clientReceived (link: Link, text: string): void
  clientClosed (link: Link, code: number): void
}

/** How often what goes wrong; each is a chance in [0, 1]. */
export interface NetworkFaults {
  refuse: number
  /** The connection ends with the first thing the server says. */
  loseWelcome: number
  /** A connection whose reader is slow. */
  slow: number
  /** The longest latency in milliseconds. */
  latency: number
}

type Item = { readonly text: string } | { readonly open: string } | { readonly close: number, readonly reason: string }

const BUFFER = 700 // bytes a slow reader lets pile up before `write` says stop

/** Connects simulated clients with simulated servers. */
export class Network {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly tap: Tap
  readonly faults: NetworkFaults
  readonly listeners: Listener[] = []
  readonly links = new Set<Link>()

  constructor (scheduler: Scheduler, random: Random, faults: NetworkFaults, tap: Tap) {
    this.scheduler = scheduler
    this.random = random
    this.faults = faults
    this.tap = tap
  }

  /** Opens a connection to one of the listeners, as a load balancer would. */
  connect (client: Process, protocols: readonly string[], events: SocketEvents): ClientSocket {
    const link = new Link(this, client, events)
    this.links.add(link)
    const hello = helloOf(protocols)
    if (hello !== undefined) this.tap.offered(link, hello)
    client.later(this.#latency(), () => link.reach(this.random, protocols, this.faults.refuse))
    return link
  }

  /** All faults end: nobody is slow, nothing stalls. What is cut stays cut. */
  heal (): void {
    Object.assign(this.faults, { refuse: 0, loseWelcome: 0, slow: 0, latency: 20 })
    for (const link of this.links) link.heal()
  }

  /** The connections of a listener that has died: in order (the kernel says so) or without a word. */
  drop (listener: Listener, silently: boolean): void {
    for (const link of this.links) {
      if (link.listener === listener) link.reset(silently ? 'nobody' : 'client')
    }
  }

  /** The connections of a client process that has died: in order (the kernel says so) or without a word. */
  leave (client: Process, silently: boolean): void {
    for (const link of this.links) {
      if (link.client === client) link.reset(silently ? 'nobody' : 'server')
    }
  }

  #latency (): number {
    return 1 + this.random.skewed(this.faults.latency)
  }

  latency = (): number => this.#latency()
}

/** The hello among the offered subprotocols, if there is one. */
export function helloOf (protocols: readonly string[]): string | undefined {
  const offer = protocols.find((protocol) => protocol.startsWith(HELLO_PREFIX))
  return offer === undefined ? undefined : Buffer.from(offer.slice(HELLO_PREFIX.length), 'base64url').toString('utf8')
}

let numbers = 0

/** One connection: the client's socket, and through {@link Link.socket} the server's. */
export class Link implements ClientSocket {
  readonly number = ++numbers
  readonly client: Process
  /** When it was asked for. */
  readonly since: number
  listener: Listener | undefined
  slow = false
  /** Whoever has a word to add to a connection, by a name of its own. */
  readonly notes = new Map<string, unknown>()
  readonly #network: Network
  readonly #events: SocketEvents
  readonly #up: Pipe<Item>
  readonly #down: Pipe<Item>
  #server: ServerEnd | undefined
  #client: 'connecting' | 'open' | 'closing' | 'gone' = 'connecting'
  /** Cut before its request had arrived. */
  #lost = false
  #serverGone = false
  #serverClosing = false
  #waiting: Array<{ item: Item, size: number }> = []
  #buffered = 0
  #full = false
  #taking = false

  constructor (network: Network, client: Process, events: SocketEvents) {
    this.#network = network
    this.client = client
    this.since = network.scheduler.time
    this.#events = events
    this.#up = new Pipe(network.scheduler, network.latency, (item) => this.#atServer(item))
    this.#down = new Pipe(network.scheduler, network.latency, (item) => this.#atClient(item))
  }

  /** Whether bytes of the client may still reach the server or the other way round. */
  get open (): boolean {
    return this.#client !== 'gone' || !this.#serverGone
  }

  // ---- the client's end

  send (text: string): void {
    if (this.#client !== 'open' || !this.client.alive) return
    this.#network.tap.clientSent(this, text)
    this.#up.send({ text })
  }

  buffered (): number {
    return 0
  }

  close (code: number, reason: string): void {
    if (this.#client === 'connecting') return this.#closeClient(1006, '')
    if (this.#client !== 'open') return
    this.#client = 'closing'
    this.#up.send({ close: code, reason })
    this.client.later(30_000, () => this.#closeClient(1006, ''))
  }

  abandon (): void {
    if (this.#client === 'gone') return
    this.#leave()
    this.#down.cut()
    this.#up.send({ close: 1006, reason: '' })
  }

  // ---- the server's end

  /** What the server writes to. */
  readonly socket: Socket = linkSocket(this)

  write (bytes: Uint8Array): boolean {
    const texts = textsOf(bytes)
    if (this.#serverGone || this.#serverClosing) return true
    for (const text of texts) {
      this.#network.tap.serverSent(this, text)
      this.#enqueue({ text }, text.length + 2)
    }
    this.#full ||= this.#buffered > BUFFER
    return !this.#full
  }

  get serverBuffered (): number {
    return this.#buffered
  }

  closeServer (code: number, reason: string): void {
    if (this.#serverGone || this.#serverClosing) return
    this.#serverClosing = true
    this.#enqueue({ close: code, reason }, 4)
    this.listener?.process.later(5000, () => this.#tellServer(1006, ''))
  }

  terminate (): void {
    if (this.#serverGone) return
    this.#waiting = []
    this.#down.send({ close: 1006, reason: '' })
    this.listener?.process.later(0, () => this.#tellServer(1006, ''))
    this.#serverClosing = true
  }

  // ---- what the world does to it

  /** The upgrade request arrives, or does not. */
  reach (random: Random, protocols: readonly string[], refuse: number): void {
    if (this.#lost) return // it never arrives
    const { listeners } = this.#network
    const listener = listeners.length === 0 ? undefined : random.pick(listeners)
    if (this.#client === 'gone') {
      if (random.chance(0.5)) return // the request had not left yet
    } else if (listener?.process.alive !== true || random.chance(refuse)) {
      if (random.chance(0.2)) return // no answer at all
      return this.client.later(this.#network.latency(), () => this.#closeClient(1006, ''))
    }
    if (listener === undefined) return
    this.listener = listener
    this.slow = random.chance(this.#network.faults.slow)
    this.notes.set('lose', random.chance(this.#network.faults.loseWelcome))
    this.#down.send({ open: protocols[0] ?? '' })
    this.#server = listener.accept(this, protocols)
    if (this.#client === 'gone') this.#up.send({ close: 1006, reason: '' })
  }

  /** A reset: what is under way is lost both ways, and whoever is told is told soon. */
  reset (told: 'both' | 'client' | 'server' | 'nobody'): void {
    this.#up.cut()
    this.#down.cut()
    this.#waiting = []
    const { latency } = this.#network
    if (told === 'both' || told === 'client') this.client.later(latency(), () => this.#closeClient(1006, ''))
    if (told === 'both' || told === 'server') this.listener?.process.later(latency(), () => this.#tellServer(1006, ''))
    if (this.listener === undefined) this.#lost = true
    else if (!this.listener.process.alive) this.#serverGone = true
  }

  stall (direction: 'up' | 'down', ms: number): void {
    (direction === 'up' ? this.#up : this.#down).stall(ms)
  }

  /** Whether a server has it. */
  get served (): boolean {
    return this.#server !== undefined && !this.#serverGone && !this.#serverClosing
  }

  /** A text reaches the server that the client never sent. */
  inject (text: string): void {
    if (this.served && this.listener?.process.alive === true) this.#server?.message(text)
  }

  heal (): void {
    this.slow = false
    this.#up.stall(0)
    this.#down.stall(0)
  }

  // ---- inside

  #enqueue (item: Item, size: number): void {
    this.#buffered += size
    this.#waiting.push({ item, size })
    if (!this.slow && !this.#taking) return this.#takeAll()
    if (!this.#taking) this.#takeLater()
  }

  #takeAll (): void {
    for (const { item, size } of this.#waiting.splice(0)) this.#take(item, size)
    this.#checkDrained()
  }

  #takeLater (): void {
    this.#taking = true
    this.#network.scheduler.later(this.slow ? this.#network.random.int(1, 400) : 0, () => {
      this.#taking = false
      const next = this.#waiting.shift()
      if (next !== undefined) this.#take(next.item, next.size)
      if (this.#waiting.length > 0) this.#takeLater()
      this.#checkDrained()
    })
  }

  #take (item: Item, size: number): void {
    this.#buffered -= size
    this.#down.send(item)
    if (this.notes.get('lose') === true && 'text' in item) this.reset('both')
  }

  #checkDrained (): void {
    if (!this.#full || this.#buffered > 0 || this.#serverGone || this.#serverClosing) return
    this.#full = false
    this.listener?.process.later(0, () => { if (!this.#serverGone) this.#server?.drained() })
  }

  #atServer (item: Item): void {
    if (this.#serverGone || !this.listener?.process.alive) return
    if ('close' in item) {
      this.#down.send({ close: item.close, reason: item.reason })
      this.#tellServer(item.close, item.reason)
    } else if ('text' in item && !this.#serverClosing) {
      this.#network.tap.serverReceived(this, item.text)
      this.#server?.message(item.text)
    }
  }

  #atClient (item: Item): void {
    if (!this.client.alive || this.#client === 'gone') return
    if ('open' in item) {
      this.#client = 'open'
      this.#events.open(item.open)
    } else if ('text' in item) {
      this.#network.tap.clientReceived(this, item.text)
      this.#events.message(item.text)
    } else {
      this.#closeClient(item.close, item.reason)
      this.#tellLater(item.close, item.reason)
    }
  }

  #tellLater (code: number, reason: string): void {
    this.listener?.process.later(this.#network.latency(), () => this.#tellServer(code, reason))
  }

  #closeClient (code: number, reason: string): void {
    if (this.#client === 'gone') return
    this.#leave()
    this.#network.tap.clientClosed(this, code)
    this.#events.close(code === 1006 ? undefined : code, reason)
  }

  #leave (): void {
    this.#client = 'gone'
    this.#forget()
  }

  #tellServer (code: number, reason: string): void {
    if (this.#serverGone) return
    this.#serverGone = true
    this.#waiting = []
    this.#up.cut()
    this.#forget()
    this.#server?.closed(code, reason)
  }

  #forget (): void {
    if (!this.open) this.#network.links.delete(this)
  }
}

function linkSocket (link: Link): Socket {
  return {
    write: (bytes) => link.write(bytes),
    writeAll: (all) => all.map((bytes) => link.write(bytes)).at(-1) ?? true,
    compressed: false,
    // No simulated client is as fast as that.
    pause: () => {},
    resume: () => {},
    get buffered () { return link.serverBuffered },
    close: (code, reason) => link.closeServer(code, reason),
    terminate: () => link.terminate()
  }
}
