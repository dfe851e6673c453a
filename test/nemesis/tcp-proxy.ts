import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Cut, Direction, Fault } from './fault.js'
import { FrameScanner, type Passed, type Says } from './frame-scanner.js'
import { reset } from '../helpers/reset.js'

export interface ProxyEvents {
  /** What becomes of the next connection, `index` counting them from 0. `null`: nothing. */
  fault (index: number): Fault | null
  /** A connection was cut. */
  cut (kind: Cut): void
  /** The client's process is to end. */
  restart (kind: 'kill' | 'reload'): void
}

/** A TCP proxy on loopback, for the connections of one client, each of which meets its fault. */
export class TcpProxy {
  readonly #server: Server
  readonly #connections = new Set<ProxiedConnection>()
  readonly #events: ProxyEvents
  #index = 0
  #isCalm = false
  /** Whether connections are turned away at once. */
  refusing = false

  private constructor (target: () => number, events: ProxyEvents) {
    this.#events = events
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client, target()))
  }

  /** Opens a proxy in front of a port, or for each connection of another one. */
  static async open (target: number | (() => number), events: ProxyEvents): Promise<TcpProxy> {
    const proxy = new TcpProxy(typeof target === 'number' ? () => target : target, events)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port (): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** No faults from now on; a connection that is stalled still ends. */
  calm (): void {
    this.#isCalm = true
    for (const connection of this.#connections) connection.calm()
  }

  /** Cuts whatever there is. */
  reset (): void {
    for (const connection of [...this.#connections]) connection.drop()
  }

  async close (): Promise<void> {
    this.#server.close()
    this.reset()
    await once(this.#server, 'close')
  }

  #accept (client: Socket, target: number): void {
    if (this.refusing) {
      client.on('error', () => {})
      reset(client)
      return
    }
    const fault = this.#isCalm ? null : this.#events.fault(this.#index++)
    const server = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const connection = new ProxiedConnection(client, server, fault, this.#events, {
      welcomed: () => { for (const other of this.#connections) if (other !== connection) other.haunt() },
      over: () => { this.#connections.delete(connection) }
    })
    this.#connections.add(connection)
  }
}

interface Lifetime {
  welcomed (): void
  over (): void
}

class ProxiedConnection {
  readonly #client: Socket
  readonly #server: Socket
  readonly #events: ProxyEvents
  readonly #lifetime: Lifetime
  readonly #scanners = { up: new FrameScanner(), down: new FrameScanner() }
  /** What a stall holds back, by direction; `null`: it passes. */
  readonly #held: Record<Direction, Buffer[] | null> = { up: null, down: null }
  #fault: Fault | null
  #passed = 0
  #isOver = false

  constructor (client: Socket, server: Socket, fault: Fault | null, events: ProxyEvents, lifetime: Lifetime) {
    this.#client = client
    this.#server = server
    this.#fault = fault
    this.#events = events
    this.#lifetime = lifetime
    this.#relay(client, server, 'up')
    this.#relay(server, client, 'down')
  }

  calm (): void {
    if (!this.#isStalled) this.#fault = null
  }

  /** Resets both sides, after what is on its way to them. */
  drop (): void {
    this.#isOver = true
    this.#lifetime.over()
    reset(this.#client)
    reset(this.#server)
  }

  /** The client lives on another connection now. */
  haunt (): void {
    if (this.#fault?.kind !== 'late' || !this.#isStalled || this.#isOver) return
    this.#cut('late', this.#server, Buffer.concat(this.#held.up ?? []))
  }

  get #isStalled (): boolean {
    return this.#held.up !== null || this.#held.down !== null
  }

  #relay (from: Socket, to: Socket, direction: Direction): void {
    from.on('data', (chunk: Buffer) => { if (!this.#isOver) this.#take(chunk, to, direction) })
    from.on('error', () => {}) // the close that follows tells all
    from.on('end', () => { if (!this.#isOver) this.#ended(direction, () => to.end()) })
    from.on('close', () => { if (!this.#isOver) this.#ended(direction, () => this.drop()) })
  }

  // One side is gone. A stall has thereby served its time, unless what it holds is still to come.
  #ended (direction: Direction, pass: () => void): void {
    if (!this.#isStalled || this.#fault === null) return pass()
    if (this.#fault.kind === 'late' && direction === 'up') return
    this.#cut(this.#fault.kind as Cut, this.#client, Buffer.alloc(0))
  }

  #take (chunk: Buffer, to: Socket, direction: Direction): void {
    const held = this.#held[direction]
    if (held !== null) {
      held.push(chunk)
      return
    }
    for (const passed of this.#scanners[direction].push(chunk)) {
      if (this.#meet(passed, chunk, to, direction)) return
      if (passed.says?.type === 'welcome') this.#lifetime.welcomed()
    }
    to.write(chunk)
  }

  /** Lets a frame meet the fault. Whether nothing more is to be done for its chunk. */
  #meet ({ start, end, says }: Passed, chunk: Buffer, to: Socket, direction: Direction): boolean {
    this.#passed += weigh(says)
    const fault = this.#fault
    if (fault === null || this.#passed < fault.after) return false
    const { kind } = fault
    if (kind === 'kill' || kind === 'reload') {
      this.#fault = null
      this.#events.restart(kind)
      return false
    }
    const until = placeOf(fault, says, direction, start, end)
    if (until === null) return false
    if (kind === 'stall' || kind === 'late') this.#stall(fault, chunk, to, direction, until)
    else this.#cut(kind, to, chunk.subarray(0, until))
    return true
  }

  #stall ({ direction, both }: Fault, chunk: Buffer, to: Socket, here: Direction, until: number): void {
    if (both || direction === 'up') this.#held.up = []
    if (both || direction === 'down') this.#held.down = []
    const held = this.#held[here]
    to.write(held === null ? chunk : chunk.subarray(0, until))
    held?.push(chunk.subarray(until))
  }

  #cut (kind: Cut, to: Socket, last: Buffer): void {
    this.#isOver = true
    this.#events.cut(kind)
    const finish = (): void => {
      if (kind === 'end') this.#finish()
      else this.drop()
    }
    if (to.destroyed || last.length === 0) finish()
    else to.write(last, finish)
  }

  // FIN to one side; the other one learns of it when that side has closed in turn.
  #finish (): void {
    const { both, direction } = this.#fault as Fault
    const [first, second] = direction === 'up' ? [this.#server, this.#client] : [this.#client, this.#server]
    first.end()
    if (both) second.end()
    for (const socket of [first, second]) {
      socket.resume()
      socket.once('end', () => { first.end(); second.end() })
      socket.once('close', () => this.drop())
    }
  }
}

// Only what reaches the client counts: a publisher sends all that is unacknowledged at once, and would else never get on.
function weigh (says: Says | null): number {
  if (says?.type === 'messages') return says.messages?.length ?? 0
  return says?.type === 'published' ? says.count ?? 0 : 0
}

/** Where in the chunk a frame is cut, if it is. */
function placeOf ({ kind, direction, share }: Fault, says: Says | null, here: Direction, start: number, end: number): number | null {
  if (kind === 'inside') return here === direction && end - start > 2 ? start + 1 + Math.floor(share * (end - start - 2)) : null
  if (kind !== 'unacknowledged') return end
  return says?.type === 'published' || says?.type === 'ack' || says?.type === 'confirmed' ? start : null
}
