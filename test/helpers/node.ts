import type { Identity } from '../../types/options.js'
import type { FastifyPushOptions, StorageAdapter } from '../../types/index.js'
import { Broker } from '../../lib/broker/broker.js'
import type { PresenceChange } from '../../types/hooks.js'
import { readSettings } from '../../lib/broker/settings.js'
import type { Connection } from '../../lib/connection/connection.js'
import type { Peer } from '../../lib/connection/context.js'
import { Control } from '../../lib/connection/control.js'
import { Service } from '../../lib/connection/service.js'
import type { Socket } from '../../lib/connection/socket.js'
import type { PushError } from '../../lib/core/errors.js'
import { decodeServerFrame } from '../../lib/protocol/codec.js'
import type { ServerFrame } from '../../lib/protocol/frames.js'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { secret, type Ending, type FrameOf, type FrameType } from './peer.js'
import { serverFrames, type RawFrame } from './raw.js'

/** Resolves when every promise and deferred flush that can settle without outside help has. */
export async function settled (): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => { setImmediate(resolve) })
}

/** A socket that keeps what is written to it, and is as full as the test says. */
export class FakeSocket implements Socket {
  /** Every buffer written, the very object. */
  readonly writes: Uint8Array[] = []
  ending: Ending | 'terminated' | null = null
  full = false
  buffered = 0
  compressed = false
  paused = false
  onWrite: () => void = () => {}

  write (bytes: Uint8Array): boolean {
    this.writes.push(bytes)
    this.onWrite()
    return !this.full
  }

  writeAll (all: readonly Uint8Array[]): boolean {
    return all.map((bytes) => this.write(bytes)).at(-1) ?? true
  }

  pause (): void {
    this.paused = true
  }

  resume (): void {
    this.paused = false
  }

  close (code: number, reason: string): void {
    this.ending ??= { code, reason }
  }

  terminate (): void {
    this.ending ??= 'terminated'
  }

  /** Every frame written so far, checked against the schemas. */
  get frames (): ServerFrame[] {
    return this.writes.flatMap((bytes) => {
      const raw: RawFrame[] = []
      if (serverFrames(Buffer.from(bytes), raw).length > 0) throw new Error('a write of less than whole frames')
      return raw.map(({ payload }) => {
        const decoded = decodeServerFrame(String(payload))
        if (decoded.status !== 'frame') throw new Error(`no frame: ${String(payload).slice(0, 200)}`)
        return decoded.frame
      })
    })
  }
}

/** A connection whose both ends the test holds. */
export class FakePeer {
  readonly socket = new FakeSocket()
  readonly connection: Connection

  constructor (service: Service, identity: Identity | null | Promise<Identity | null>, more: Partial<Peer> = {}) {
    const log = { debug: () => {}, warn: () => {} }
    this.connection = service.accept({ socket: this.socket, log, authenticate: async () => identity, ...more })
  }

  /** Sends frames in one go and lets everything settle. */
  async send (...frames: readonly object[]): Promise<this> {
    for (const frame of frames) this.connection.receive(JSON.stringify(frame))
    await settled()
    return this
  }

  /** Of one type, in order. */
  all<Type extends FrameType> (type: Type): FrameOf<Type>[] {
    return this.socket.frames.filter((frame): frame is FrameOf<Type> => frame.type === type)
  }

  /** The newest of a type. */
  last<Type extends FrameType> (type: Type): FrameOf<Type> | undefined {
    return this.all(type).at(-1)
  }

  /** The data of all messages, in order. */
  get data (): unknown[] {
    return this.all('messages').flatMap(({ messages }) => messages.map(({ data }) => data))
  }

  /** The socket has room again. */
  async drain (): Promise<void> {
    this.socket.full = false
    this.connection.drained()
    await settled()
  }

  /** The network or the peer ended it. */
  async cut (code?: number): Promise<void> {
    this.connection.closed(code)
    await settled()
  }
}

export interface TestNode {
  readonly broker: Broker
  readonly service: Service
  readonly control: Control
  readonly clock: ManualClock
  readonly storage: StorageAdapter
  readonly errors: unknown[]
  readonly failures: PushError[]
  /** The changes of members that the node made. */
  readonly presences: PresenceChange[]
  /** A connection that has said nothing yet. */
  connect (identity?: Identity | null | Promise<Identity | null>): FakePeer
  /** One that has said hello; it is a guest. */
  hello (hello?: object, identity?: Identity | null): Promise<FakePeer>
  /** One that owns its session. */
  own (hello?: object, identity?: Identity | null): Promise<FakePeer>
}

export interface NodeOptions extends FastifyPushOptions {
  readonly clock?: ManualClock
}

/** A broker and a service over fake sockets, with the channels of {@link startApp} and time that the test owns. */
export async function openNode (options: NodeOptions = {}): Promise<TestNode> {
  const clock = options.clock ?? new ManualClock()
  const storage = options.storage ?? memoryStorage({ clock })
  const errors: unknown[] = []
  const failures: PushError[] = []
  const presences: PresenceChange[] = []
  const broker = new Broker({
    storage,
    settings: readSettings(options),
    clock,
    defer: setImmediate,
    authorize: options.authorize,
    onError: (error) => { errors.push(error) },
    onPublishFailed: (error) => { failures.push(error) }
  })
  broker.hooks.add(broker.hooks.root, 'onPresence', (event: PresenceChange) => { presences.push(event) })
  const channels = options.channels ?? { 'room/:id': { history: true, clientPublish: true }, 'quiet/:id': { clientPublish: true }, news: {} }
  for (const [pattern, each] of Object.entries(channels)) broker.declare(pattern, each)
  await broker.open()
  const service = new Service(broker)
  const control = new Control(service, (error) => { errors.push(error) })
  await control.open()
  const connect: TestNode['connect'] = (identity = null) => new FakePeer(service, identity)
  const hello: TestNode['hello'] = (frame = {}, identity = null) => connect(identity).send({ type: 'hello', session: secret(), ...frame })
  const own: TestNode['own'] = async (frame, identity) => (await hello(frame, identity)).send({ type: 'ping' })
  return { broker, service, control, clock, storage, errors, failures, presences, connect, hello, own }
}

/** A storage with some operations replaced. Each gets the original to call. */
export function overStorage (storage: StorageAdapter, replaced: { [Port in 'log' | 'cursors' | 'feed' | 'sessions' | 'presence']?: (original: StorageAdapter[Port]) => Partial<StorageAdapter[Port]> }): StorageAdapter {
  const bound = <Value extends object> (port: Value): Value => new Proxy(port, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
  const port = <Name extends 'log' | 'cursors' | 'feed' | 'sessions' | 'presence'> (name: Name): StorageAdapter[Name] => {
    const original = bound(storage[name])
    const changes = (replaced[name] as ((original: StorageAdapter[Name]) => Partial<StorageAdapter[Name]>) | undefined)?.(original) ?? {}
    return new Proxy(original, { get: (target, key) => Reflect.get(changes, key) ?? Reflect.get(target, key) })
  }
  return {
    log: port('log'),
    cursors: port('cursors'),
    feed: port('feed'),
    sessions: port('sessions'),
    presence: port('presence'),
    supports: storage.supports,
    open: (context) => storage.open(context),
    close: () => storage.close(),
    health: () => storage.health()
  }
}
