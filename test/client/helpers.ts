import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { openClient } from '../../lib/client/client.js'
import type { ClientOptions, ClientStore } from '../../lib/client/options.js'
import type { ClientSocket, Evidence, Platform, SocketEvents } from '../../lib/client/platform/platform.js'
import type { ClientFrame, HelloFrame, ServerFrame, SubscriptionVerdict, WelcomeFrame } from '../../lib/protocol/frames.js'
import { decodeClientFrame } from '../../lib/protocol/codec.js'
import { HELLO_PREFIX, SUBPROTOCOL } from '../../lib/protocol/version.js'

/** One socket that the client opened; the test plays the server's side. */
export class ScriptedSocket implements ClientSocket {
  readonly url: string
  readonly protocols: readonly string[]
  readonly events: SocketEvents
  readonly frames: ClientFrame[] = []
  state: 'connecting' | 'open' | 'closing' | 'closed' | 'abandoned' = 'connecting'
  closedWith: readonly [number, string] | null = null
  backlog = 0

  constructor (url: string, protocols: readonly string[], events: SocketEvents) {
    this.url = url
    this.protocols = protocols
    this.events = events
  }

  send (text: string): void {
    if (this.state !== 'open') return
    const decoded = decodeClientFrame(text)
    if (decoded.status !== 'frame') throw new Error(`the client sent no valid frame: ${text}`)
    this.frames.push(decoded.frame)
  }

  buffered (): number { return this.backlog }

  close (code: number, reason: string): void {
    this.closedWith = [code, reason]
    this.state = 'closing'
  }

  abandon (): void { this.state = 'abandoned' }

  /** The hello, wherever it travelled. */
  get hello (): HelloFrame {
    const offer = this.protocols.find((protocol) => protocol.startsWith(HELLO_PREFIX))
    const frame = offer === undefined ? this.frames[0] : JSON.parse(Buffer.from(offer.slice(HELLO_PREFIX.length), 'base64url').toString()) as HelloFrame
    if (frame?.type !== 'hello') throw new Error('no hello')
    return frame
  }

  open (): void {
    this.state = 'open'
    this.events.open(SUBPROTOCOL)
  }

  /** A frame of the server. */
  say (...frames: ServerFrame[]): void {
    for (const frame of frames) this.events.message(JSON.stringify(frame))
  }

  /** Opens, and welcomes with a verdict for each subscription of the hello. */
  welcome (fields: Partial<WelcomeFrame> = {}): this {
    this.open()
    const { subscriptions = [] } = this.hello
    this.say({
      type: 'welcome',
      clientId: 'c1',
      resumed: true,
      sessionTtl: 120_000,
      heartbeat: { interval: 25_000, timeout: 10_000 },
      spread: 0,
      limits: { frameBytes: 65_536, publishesInFlight: 256 },
      subscriptions: subscriptions.map(({ channel, qos, position }): SubscriptionVerdict => ({
        channel, qos, verdict: position === undefined ? 'started' : 'resumed', position: position ?? { epoch: 'e', offset: 0 }
      })),
      ...fields
    })
    return this
  }

  /** Stored messages `from` … in epoch `e`, with their offset as data. */
  records (channel: string, from: number, count = 1, qos: 0 | 1 | 2 = 2, epoch = 'e'): void {
    const messages = Array.from({ length: count }, (_, i) => ({ id: `m${from + i}`, qos, timestamp: 1, data: from + i }))
    this.say({ type: 'messages', channel, epoch, from, messages })
  }

  /** The other side is gone. */
  drop (code = 1006, reason = ''): void {
    this.state = 'closed'
    this.events.close(code, reason)
  }

  of<T extends ClientFrame['type']> (type: T): Array<Extract<ClientFrame, { type: T }>> {
    return this.frames.filter((frame): frame is Extract<ClientFrame, { type: T }> => frame.type === type)
  }
}

/** A platform of which the test owns time, chance and the network. */
export class ScriptedPlatform implements Platform {
  readonly name = 'scripted'
  readonly manual = new ManualClock()
  readonly sockets: ScriptedSocket[] = []
  readonly listeners = new Set<(evidence: Evidence) => void>()
  /** What `random` gives. */
  chance = 0.5
  /** How late timers fire: the clock has gone on, and nothing ran. */
  stalled = 0
  refuse: Error | null = null
  #secrets = 0

  readonly clock = {
    now: () => this.manual.now() + this.stalled,
    timestamp: () => this.manual.timestamp() + this.stalled,
    after: (ms: number, callback: () => void) => this.manual.after(ms, callback)
  }

  random (): number { return this.chance }

  secret (): string { return `secret-${String(++this.#secrets).padStart(15, '0')}` }

  connect (url: string, protocols: readonly string[], events: SocketEvents): ClientSocket {
    if (this.refuse !== null) throw this.refuse
    const socket = new ScriptedSocket(url, protocols, events)
    this.sockets.push(socket)
    return socket
  }

  watch (listener: (evidence: Evidence) => void): () => void {
    this.listeners.add(listener)
    return () => { this.listeners.delete(listener) }
  }

  notice (evidence: Evidence): void {
    for (const listener of this.listeners) listener(evidence)
  }

  get last (): ScriptedSocket {
    const socket = this.sockets.at(-1)
    if (socket === undefined) throw new Error('the client opened no socket')
    return socket
  }

  /** Lets time pass and promises settle. */
  pass (ms = 0): Promise<void> { return this.manual.advanceAsync(ms) }
}

/** A client on a scripted platform. */
export function setUp (options: ClientOptions = {}, platform = new ScriptedPlatform()) {
  const client = openClient('ws://test/push', options, platform)
  const errors: string[] = []
  client.on('error', (error) => { errors.push(error.code) })
  return { platform, client, errors, pass: (ms?: number) => platform.pass(ms) }
}

/** The same, with the first socket welcomed. */
export async function setUpLive (options: ClientOptions = {}, before: (client: ReturnType<typeof setUp>['client']) => unknown = () => {}, welcome: Partial<WelcomeFrame> = {}) {
  const set = setUp(options)
  before(set.client)
  await set.pass()
  return { ...set, socket: set.platform.last.welcome(welcome) }
}

/** The outcome of a promise, as far as it is known. */
export function outcomeOf<T> (promise: Promise<T>): { value?: T, code?: string, id?: string } {
  const outcome: { value?: T, code?: string, id?: string } = {}
  promise.then((value) => { outcome.value = value }, (error) => { Object.assign(outcome, { code: error.code, id: error.id }) })
  return outcome
}

/** A store like sessionStorage, or with `delay` like one that answers later. */
export function memoryStore (isAsync = false): ClientStore & { readonly values: Map<string, string> } {
  const values = new Map<string, string>()
  if (isAsync) {
    return {
      values,
      getItem: async (key) => values.get(key) ?? null,
      setItem: async (key, value) => { values.set(key, value) },
      removeItem: async (key) => { values.delete(key) }
    }
  }
  return {
    values,
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => { values.set(key, value) },
    removeItem: (key) => { values.delete(key) }
  }
}
