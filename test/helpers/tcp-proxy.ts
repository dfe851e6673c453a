import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { reset } from './reset.js'

/** From whom to whom. */
export type Direction = 'up' | 'down'

interface Pair {
  readonly client: Socket
  readonly server: Socket
}

/** A TCP proxy on loopback that does to connections what networks do. */
export class TcpProxy {
  readonly #server: Server
  readonly #target: number
  readonly #pairs = new Set<Pair>()
  readonly #stalled = new Set<Direction>()
  /** Milliseconds by which bytes are late. */
  delay = 0
  readonly #cutAfter: Record<Direction, number> = { up: Infinity, down: Infinity }

  private constructor (target: number) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client))
  }

  /** Listens in front of a port of this machine. */
  static async start (target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port (): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Connections now. */
  get size (): number {
    return this.#pairs.size
  }

  /** Ends every connection by RST, on both sides. */
  reset (): void {
    for (const { client, server } of this.#pairs) {
      reset(client)
      reset(server)
    }
  }

  /** Ends every connection by FIN, on both sides. */
  finish (): void {
    for (const { client, server } of this.#pairs) {
      client.end()
      server.end()
    }
  }

  /** Lets nothing through in a direction, up to the server or down to the client: the senders' buffers fill. */
  stall (direction: Direction): void {
    this.#stalled.add(direction)
    for (const pair of this.#pairs) this.#source(pair, direction).pause()
  }

  /** Lets everything through again. */
  resume (): void {
    this.#stalled.clear()
    for (const { client, server } of this.#pairs) {
      client.resume()
      server.resume()
    }
  }

  /** Resets a connection once `bytes` more have gone through in a direction: in the middle of whatever it is. */
  cutAfter (direction: Direction, bytes: number): void {
    this.#cutAfter[direction] = bytes
  }

  async close (): Promise<void> {
    this.reset()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #source ({ client, server }: Pair, direction: Direction): Socket {
    return direction === 'up' ? client : server
  }

  #accept (client: Socket): void {
    const pair = { client, server: connect({ host: '127.0.0.1', port: this.#target, allowHalfOpen: true }) }
    this.#pairs.add(pair)
    this.#pipe(pair, pair.client, pair.server, 'up')
    this.#pipe(pair, pair.server, pair.client, 'down')
  }

  #pipe (pair: Pair, from: Socket, to: Socket, direction: Direction): void {
    from.setNoDelay()
    from.on('error', () => {}) // 'close' follows
    from.on('close', () => {
      this.#pairs.delete(pair)
      to.destroy()
    })
    const late: Array<() => void> = []
    from.on('end', () => this.#later(late, () => to.end()))
    from.on('data', (bytes) => {
      const allowed = bytes.subarray(0, this.#cutAfter[direction])
      this.#cutAfter[direction] -= allowed.length
      this.#later(late, () => {
        if (!to.write(allowed)) this.#hold(from, to, direction)
        if (allowed.length < bytes.length) this.#cut(pair, direction)
      })
    })
    if (this.#stalled.has(direction)) from.pause()
  }

  // As slow as the slower side.
  #hold (from: Socket, to: Socket, direction: Direction): void {
    from.pause()
    to.once('drain', () => { if (!this.#stalled.has(direction)) from.resume() })
  }

  #cut ({ client, server }: Pair, direction: Direction): void {
    this.#cutAfter[direction] = Infinity
    const [sender, receiver] = direction === 'up' ? [client, server] : [server, client]
    reset(sender)
    receiver.end() // what went through before arrives
  }

  // In order, also when the delay changes.
  #later (late: Array<() => void>, work: () => void): void {
    if (this.delay === 0 && late.length === 0) return work()
    late.push(work)
    setTimeout(() => late.shift()?.(), this.delay)
  }
}
