import type { AckEvent, ConnectEvent, DeliverEvent, DisconnectEvent, DropEvent, GapEvent, HookName, PresenceChange, PublishEvent, SubscribeEvent, UnsubscribeEvent } from '../../types/hooks.js'
import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { refusal, within } from '../core/hooks.js'

type Hook = (event: never) => unknown

/** Rejects to refuse. `null` where no hook is registered. */
type Asked<Event> = ((event: Event) => Promise<void>) | null

/** Never throws. `null` where no hook is registered. */
type Told<Event> = ((event: Event) => void) | null

/**
 * The hooks of one pattern's channels, compiled into one function each, or `null` where there are none: then they cost one comparison.
 * The object stays the same when hooks are added later.
 */
export class ChannelHooks {
  subscribe: Asked<SubscribeEvent> = null
  unsubscribe: Told<UnsubscribeEvent> = null
  /** Resolves with the data to store. */
  publish: ((event: PublishEvent) => Promise<unknown>) | null = null
  presence: Told<PresenceChange> = null
  deliver: Told<DeliverEvent> = null
  ack: Told<AckEvent> = null
  redeliver: Told<DeliverEvent> = null
  drop: Told<DropEvent> = null
  gap: Told<GapEvent> = null
}

/** Of channels that no hook ever hears of. */
export const NO_HOOKS: ChannelHooks = Object.freeze(new ChannelHooks())

/** The hooks that were added in one place of the host. Those of the places around it come before them. */
export class HookScope {
  readonly #parent: HookScope | null
  readonly #own: Array<readonly [name: HookName, hook: Hook]> = []

  constructor (parent: HookScope | null) {
    this.#parent = parent
  }

  add (name: HookName, hook: Hook): void {
    this.#own.push([name, hook])
  }

  /** All hooks of a name that hold here, in their order. */
  all (name: HookName): Hook[] {
    const own = this.#own.filter((each) => each[0] === name).map((each) => each[1])
    return this.#parent === null ? own : [...this.#parent.all(name), ...own]
  }
}

/** The hooks that a channel's options bring. */
export interface OwnHooks {
  readonly onSubscribe?: Hook | undefined
  readonly onPublish?: Hook | undefined
}

export interface HooksContext {
  readonly clock: Clock
  /** Milliseconds that a hook may take. */
  readonly timeout: number
  /** A hook failed, and nobody else is told so. */
  readonly onError: (error: unknown) => void
}

interface Attached {
  readonly hooks: ChannelHooks
  readonly scope: HookScope
  readonly own: OwnHooks
}

/** What each hook is of. */
const KINDS: Readonly<Record<HookName, 'connections' | 'channels'>> = {
  onConnect: 'connections',
  onDisconnect: 'connections',
  onSubscribe: 'channels',
  onUnsubscribe: 'channels',
  onPublish: 'channels',
  onPresence: 'channels',
  onDeliver: 'channels',
  onAck: 'channels',
  onRedeliver: 'channels',
  onDrop: 'channels',
  onGap: 'channels'
}

/** All hooks of the host. They can be added until it has started. */
export class Hooks {
  /** The outermost place: what is added here holds everywhere. */
  readonly root = new HookScope(null)
  connect: Asked<ConnectEvent> = null
  disconnect: Told<DisconnectEvent> = null
  readonly #context: HooksContext
  readonly #attached: Attached[] = []
  #started = false

  constructor (context: HooksContext) {
    this.#context = context
  }

  /** No hook is added from now on. */
  start (): void {
    this.#started = true
  }

  /** Adds a hook in a place. Throws `PUSH_OPTIONS`. */
  add (scope: HookScope, name: HookName, hook: unknown): void {
    if (!Object.hasOwn(KINDS, name)) throw new PushError('PUSH_OPTIONS', `no hook is called ${JSON.stringify(name)}`)
    if (typeof hook !== 'function') throw new PushError('PUSH_OPTIONS', `${name} must be a function`)
    if (this.#started) throw new PushError('PUSH_OPTIONS', `${name} cannot be added: the app has started`)
    if (KINDS[name] === 'connections') {
      this.root.add(name, hook as Hook)
      this.#compileConnections()
    } else {
      scope.add(name, hook as Hook)
      for (const each of this.#attached) this.#compile(each)
    }
  }

  /** Fills in, now and later, the hooks of a pattern that was declared in a place. */
  attach (hooks: ChannelHooks, scope: HookScope, own: OwnHooks = {}): void {
    const attached = { hooks, scope, own }
    this.#compile(attached)
    if (!this.#started) this.#attached.push(attached)
  }

  #compileConnections (): void {
    this.connect = this.#asked(this.root.all('onConnect'), 'onConnect')
    this.disconnect = this.#told(this.root.all('onDisconnect'))
  }

  #compile ({ hooks, scope, own }: Attached): void {
    hooks.subscribe = this.#asked(withOwn(scope.all('onSubscribe'), own.onSubscribe), 'onSubscribe')
    hooks.publish = this.#changing(withOwn(scope.all('onPublish'), own.onPublish), 'onPublish')
    hooks.unsubscribe = this.#told(scope.all('onUnsubscribe'))
    hooks.presence = this.#told(scope.all('onPresence'))
    hooks.deliver = this.#told(scope.all('onDeliver'))
    hooks.ack = this.#told(scope.all('onAck'))
    hooks.redeliver = this.#told(scope.all('onRedeliver'))
    hooks.drop = this.#told(scope.all('onDrop'))
    hooks.gap = this.#told(scope.all('onGap'))
  }

  #asked<Event> (hooks: readonly Hook[], name: HookName): Asked<Event> {
    if (hooks.length === 0) return null
    return async (event) => {
      for (const hook of hooks) await this.#ask(hook, event, name)
    }
  }

  // Each hook gets what the one before it made of the data.
  #changing (hooks: readonly Hook[], name: HookName): ChannelHooks['publish'] {
    if (hooks.length === 0) return null
    return async (event) => {
      let { data } = event
      for (const hook of hooks) {
        const changed = await this.#ask(hook, { ...event, data }, name)
        if (changed !== undefined) data = changed
      }
      return data
    }
  }

  async #ask (hook: Hook, event: unknown, name: HookName): Promise<unknown> {
    const { clock, timeout, onError } = this.#context
    try {
      const answer = hook(event as never)
      if (!isThenable(answer)) return answer
      return await within(clock, timeout, Promise.resolve(answer), () => new PushError('PUSH_UNAVAILABLE', `${name} did not answer in time`))
    } catch (error) {
      const refused = refusal(error, 'PUSH_FORBIDDEN')
      if (refused.code === 'PUSH_UNAVAILABLE') onError(error)
      throw refused
    }
  }

  #told<Event> (hooks: readonly Hook[]): Told<Event> {
    if (hooks.length === 0) return null
    const { onError } = this.#context
    return (event) => {
      for (const hook of hooks) {
        try {
          const result = hook(event as never)
          if (isThenable(result)) Promise.resolve(result).catch(onError)
        } catch (error) {
          onError(error)
        }
      }
    }
  }
}

function withOwn (hooks: Hook[], own: Hook | undefined): Hook[] {
  return own === undefined ? hooks : [...hooks, own]
}

function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value
}
