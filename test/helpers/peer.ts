import { once } from 'node:events'
import { WebSocket, type ClientOptions } from 'ws'
import { decodeServerFrame } from '../../lib/protocol/codec.js'
import type { ServerFrame, WelcomeFrame } from '../../lib/protocol/frames.js'
import { HELLO_PREFIX, SUBPROTOCOL } from '../../lib/protocol/version.js'

export type FrameType = ServerFrame['type']
export type FrameOf<Type extends FrameType> = Extract<ServerFrame, { type: Type }>

/** How a connection ended. */
export interface Ending {
  readonly code: number
  readonly reason: string
}

interface Waiter {
  readonly wants: (frame: ServerFrame) => boolean
  readonly resolve: (frame: ServerFrame) => void
  readonly reject: (error: Error) => void
}

export interface PeerOptions {
  /** Sent in the upgrade request. */
  readonly hello?: object
  /** Offered instead of the protocol's own. */
  readonly protocols?: readonly string[]
  readonly headers?: Record<string, string>
  readonly client?: ClientOptions
}

let made = 0

/** A session secret, new for each call. */
export const secret = (): string => `secret-of-a-test-${++made}`.padEnd(24, '-')

/** A hello as an offered subprotocol. [P-2.3] */
export const helloOffer = (hello: object): string => HELLO_PREFIX + Buffer.from(JSON.stringify(hello)).toString('base64url')

/**
 * Speaks the protocol over a WebSocket. Every frame is checked against the schemas and kept until it is asked for, so that
 * none is lost between two assertions.
 */
export class Peer {
  readonly webSocket: WebSocket
  /** Resolves when the connection has ended. */
  readonly ended: Promise<Ending>
  /** Came and were not asked for yet. */
  readonly frames: ServerFrame[] = []
  #waiters: Waiter[] = []
  #over: Ending | null = null

  constructor (webSocket: WebSocket) {
    this.webSocket = webSocket
    webSocket.on('message', (data) => this.#hear(String(data)))
    webSocket.on('error', () => {}) // 'close' follows
    this.ended = new Promise((resolve) => {
      webSocket.on('close', (code, reason) => {
        this.#over = { code, reason: reason.toString() }
        const error = new Error(`connection ended: ${code} ${this.#over.reason}`)
        for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
        resolve(this.#over)
      })
    })
  }

  /** Connects, and rejects if the upgrade is refused. */
  static async open (url: string, { hello, protocols = [SUBPROTOCOL], headers = {}, client = {} }: PeerOptions = {}): Promise<Peer> {
    const offered = hello === undefined ? protocols : [...protocols, helloOffer(hello)]
    const webSocket = new WebSocket(url, [...offered], { headers, ...client })
    const peer = new Peer(webSocket)
    await once(webSocket, 'open')
    return peer
  }

  /** Connects, says hello in the upgrade, and returns the welcome too. */
  static async welcomed (url: string, hello: object = {}, options: PeerOptions = {}): Promise<{ peer: Peer, welcome: WelcomeFrame }> {
    const peer = await Peer.open(url, { ...options, hello: { type: 'hello', session: secret(), ...hello } })
    return { peer, welcome: await peer.take('welcome') }
  }

  /** The same, and owns its session. */
  static async owner (url: string, hello: object = {}, options: PeerOptions = {}): Promise<Peer> {
    const { peer } = await Peer.welcomed(url, hello, options)
    await peer.barrier()
    return peer
  }

  send (frame: object): void {
    this.webSocket.send(JSON.stringify(frame))
  }

  sendText (text: string): void {
    this.webSocket.send(text)
  }

  /** The oldest frame of a type, that came or will come. Rejects if the connection ends before. */
  take<Type extends FrameType> (type: Type, wants: (frame: FrameOf<Type>) => boolean = () => true): Promise<FrameOf<Type>> {
    const matches = (frame: ServerFrame) => frame.type === type && wants(frame as FrameOf<Type>)
    const at = this.frames.findIndex(matches)
    if (at !== -1) return Promise.resolve(this.frames.splice(at, 1)[0] as FrameOf<Type>)
    if (this.#over !== null) return Promise.reject(new Error(`connection ended: ${this.#over.code} ${this.#over.reason}`))
    return new Promise((resolve, reject) => {
      this.#waiters.push({ wants: matches, resolve: resolve as (frame: ServerFrame) => void, reject })
    })
  }

  /** The data of messages until there are `count` of them, from as many frames as it takes. */
  async data (count: number): Promise<unknown[]> {
    const found: unknown[] = []
    while (found.length < count) found.push(...(await this.take('messages')).messages.map(({ data }) => data))
    return found
  }

  /** Sends a request and returns its answer, be it an error. */
  async ask<Type extends FrameType> (frame: { id: number }, type: Type): Promise<FrameOf<Type> | FrameOf<'error'>> {
    this.send(frame)
    const mine = (answer: ServerFrame) => (answer as { id?: number }).id === frame.id
    return Promise.race([this.#quietly(this.take(type, mine)), this.#quietly(this.take('error', mine))])
  }

  /** Subscribes and returns the verdict; rejects with the code if it is refused. */
  async subscribe (channel: string, options: object = {}): Promise<FrameOf<'subscribed'>> {
    const answer = await this.ask({ type: 'subscribe', id: ++made, channel, qos: 1, ...options } as { id: number }, 'subscribed')
    if (answer.type === 'error') throw Object.assign(new Error(answer.text), { code: answer.code })
    return answer
  }

  /** Resolves when the server has taken everything sent before. */
  async barrier (): Promise<void> {
    this.send({ type: 'ping' })
    await this.take('pong')
  }

  /** Closes in order. */
  async close (): Promise<Ending> {
    this.webSocket.close()
    return this.ended
  }

  #quietly<Value> (promise: Promise<Value>): Promise<Value> {
    promise.catch(() => {})
    return promise
  }

  #hear (text: string): void {
    const decoded = decodeServerFrame(text)
    if (decoded.status !== 'frame') throw new Error(`the server sent what is no frame: ${text.slice(0, 200)}`)
    const waiter = this.#waiters.findIndex(({ wants }) => wants(decoded.frame))
    if (waiter === -1) this.frames.push(decoded.frame)
    else this.#waiters.splice(waiter, 1)[0]?.resolve(decoded.frame)
  }
}
