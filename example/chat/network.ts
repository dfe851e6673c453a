import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream'

const HOST = '127.0.0.1'

/**
 * A stretch of network in front of a server, which can be cut for one page at a time: a TCP proxy. A cut resets the
 * page's WebSocket and every new one, on both sides; the page itself and other pages are not touched.
 * A page is told by the query of its WebSocket's URL: `/push?page=…`.
 */
export class Network {
  readonly #cut = new Set<string>()
  readonly #sockets = new Map<Socket, string | null>()
  readonly #server: Server
  #targets: readonly number[] = []
  #turn = 0

  constructor () {
    this.#server = createServer((outer) => this.#accept(outer))
  }

  /** Leads to the servers at `targets` in turn, on `port` or, if that is taken, on a free one. Resolves with the port. */
  async listen (port: number, targets: readonly number[]): Promise<number> {
    this.#targets = targets
    try {
      await this.#listen(port)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      await this.#listen(0)
    }
    return (this.#server.address() as AddressInfo).port
  }

  /** Whether the page is cut off. */
  isCut (page: string): boolean {
    return this.#cut.has(page)
  }

  /** Cuts the page off until it is restored. */
  cut (page: string): void {
    this.#cut.add(page)
    for (const [socket, owner] of this.#sockets) {
      if (owner === page) reset(socket)
    }
  }

  /** Lets the page's WebSockets through again. */
  restore (page: string): void {
    this.#cut.delete(page)
  }

  /** Ends every connection and listens no more. */
  async close (): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets.keys()) socket.destroy()
    await closed
  }

  async #listen (port: number): Promise<void> {
    this.#server.listen(port, HOST)
    await once(this.#server, 'listening')
  }

  #accept (outer: Socket): void {
    this.#keep(outer, null)
    // A request fits into its first packet here: there is no real network on a loopback.
    outer.once('data', (first: Buffer) => {
      const page = pageOf(first)
      if (page !== null && this.#cut.has(page)) return reset(outer)
      const inner = connect(this.#targets[this.#turn++ % this.#targets.length] as number, HOST)
      this.#keep(outer, page)
      this.#keep(inner, page)
      inner.write(first)
      pipeline(outer, inner, () => {})
      pipeline(inner, outer, () => {})
    })
  }

  #keep (socket: Socket, page: string | null): void {
    if (!this.#sockets.has(socket)) {
      socket.on('error', () => {}) // a cut is no trouble of ours
      socket.on('close', () => this.#sockets.delete(socket))
    }
    this.#sockets.set(socket, page)
  }
}

function pageOf (request: Buffer): string | null {
  return /^GET \/push\?page=([\w-]{1,64}) /.exec(request.toString('latin1'))?.[1] ?? null
}

// A connection whose FIN is on its way cannot be reset: libuv refuses, and Node would never close it.
function reset (socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
