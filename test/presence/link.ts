import type { ClientSocket, Platform, SocketEvents } from '../../lib/client/platform/platform.js'
import type { Connection } from '../../lib/connection/connection.js'
import { HELLO_PREFIX, SUBPROTOCOL } from '../../lib/protocol/version.js'
import type { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { TestNode } from '../helpers/node.js'
import { serverFrames, type RawFrame } from '../helpers/raw.js'

/** One connection between a client and a node, in memory. What is sent arrives a turn of the event loop later, in order. */
class Line {
  readonly #events: SocketEvents
  readonly #connection: Connection
  readonly #onFrame: (text: string) => void
  #over = false

  constructor (node: TestNode, protocols: readonly string[], events: SocketEvents, onFrame: (text: string) => void) {
    this.#onFrame = onFrame
    this.#events = events
    const write = (bytes: Uint8Array): boolean => this.#toClient(bytes)
    this.#connection = node.service.accept({
      socket: {
        write,
        writeAll: (all) => all.every(write),
        buffered: 0,
        compressed: false,
        pause () {},
        resume () {},
        close: (code, reason) => this.#later(() => this.#end(code, () => events.close(code, reason))),
        terminate: () => this.cut()
      },
      log: { debug () {}, warn () {} },
      authenticate: async () => null
    })
    const offer = protocols.find((each) => each.startsWith(HELLO_PREFIX)) ?? HELLO_PREFIX
    this.#later(() => {
      events.open(SUBPROTOCOL)
      this.#connection.receive(Buffer.from(offer.slice(HELLO_PREFIX.length), 'base64url').toString())
    })
  }

  /** What the client holds. */
  get socket (): ClientSocket {
    return {
      send: (text) => this.#later(() => this.#connection.receive(text)),
      buffered: () => 0,
      close: (code, reason) => this.#later(() => this.#end(code, () => this.#events.close(code, reason))),
      abandon: () => this.#end(1006)
    }
  }

  /** The network is gone. */
  cut (): void {
    this.#end(1006, () => this.#events.close(1006, ''))
  }

  #toClient (bytes: Uint8Array): boolean {
    const frames: RawFrame[] = []
    serverFrames(Buffer.from(bytes), frames)
    this.#later(() => {
      for (const { payload } of frames) {
        this.#onFrame(String(payload))
        this.#events.message(String(payload))
      }
    })
    return true
  }

  #later (then: () => void): void {
    setImmediate(() => { if (!this.#over) then() })
  }

  #end (code: number, then = () => {}): void {
    if (this.#over) return
    this.#over = true
    this.#connection.closed(code)
    then()
  }
}

/** A platform whose sockets lead to nodes of this process. */
export class LinkedPlatform implements Platform {
  readonly name = 'linked'
  readonly clock: ManualClock
  /** Which node a connection comes to; `null`: none answers. */
  readonly #route: () => TestNode | null
  readonly #random: () => number
  #line: Line | null = null
  #secrets = 0
  /** Gaps that its client was told of. */
  gaps = 0

  constructor (clock: ManualClock, random: () => number, route: () => TestNode | null) {
    this.clock = clock
    this.#random = random
    this.#route = route
  }

  random (): number { return this.#random() }

  secret (): string { return `secret-of-a-watcher-${Math.floor(this.#random() * 1e9)}-${++this.#secrets}` }

  connect (_url: string, protocols: readonly string[], events: SocketEvents): ClientSocket {
    const node = this.#route()
    if (node === null) throw new Error('no node answers')
    this.#line = new Line(node, protocols, events, (text) => { if (/"type":"gap"|"verdict":"lost"/.test(text)) this.gaps++ })
    return this.#line.socket
  }

  watch (): () => void { return () => {} }

  /** The network is gone. */
  cut (): void {
    this.#line?.cut()
  }
}
