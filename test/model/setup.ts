import type { ChannelOptions, FastifyPushOptions } from '../../types/options.js'
import type { QoS } from '../../types/message.js'
import type { StorageFaults } from './faulty-storage.js'
import { ID_WINDOW } from './history.js'
import type { NetworkFaults } from './network.js'
import type { Cluster } from './node.js'
import type { People, Plan } from './person.js'
import type { Random } from './random.js'

/** Records of one subscription in flight. Small, so that windows fill. */
export const WINDOW = 5

/** How long a session without a name is kept, and one with a name. Milliseconds. */
export const SESSION_TTL = 20_000
export const NAMED_TTL = 600_000

// One channel that keeps all, one that trims soon, one without history.
const ordinary: Readonly<Record<string, ChannelOptions>> = {
  'kept/long': { history: { limit: 10_000, ttl: '1d' }, clientPublish: true },
  'kept/short': { history: { limit: 8, ttl: '30s' }, clientPublish: true },
  plain: { clientPublish: true }
}

// More than a connection reads at once, and one that does not wait for slow readers.
const more: Readonly<Record<string, ChannelOptions>> = {
  ...Object.fromEntries(['more/1', 'more/2', 'more/3', 'more/4', 'more/5'].map((name) => [name, { history: true }])),
  hasty: { history: true, slow: 'drop' }
}

/** All channels there are. */
export const CHANNELS: Readonly<Record<string, ChannelOptions>> = { ...ordinary, ...more }

/** The names of the channels that everybody may follow and publish to. */
export const NAMES = Object.keys(ordinary)

/** The names of those that only some follow, all of them, in some runs; only the server publishes there. */
export const MORE = Object.keys(more)

/** What the nodes are told. */
export const OPTIONS: Pick<FastifyPushOptions, 'heartbeat' | 'session' | 'idWindow' | 'limits'> = {
  heartbeat: { interval: 16_000, timeout: 4000 },
  session: { ttl: SESSION_TTL, namedTtl: NAMED_TTL },
  idWindow: ID_WINDOW,
  limits: { window: WINDOW, slowAfter: 2000, silence: 60_000, publishesInFlight: 16, helloTimeout: 5000 }
}

/** A client at random. */
export function planOf (random: Random, name: string, focus: Focus): Plan {
  const wanted = NAMES.filter(() => random.chance(0.6))
  return {
    name,
    named: random.chance(0.6),
    store: random.pick(['none', 'sync', 'async']),
    subscriptions: wanted.map((channel) => ({
      channel,
      qos: random.pick<QoS>([0, 1, 1, 2, 2]),
      ...(random.chance(0.2) && channel !== 'plain' ? { rewind: random.int(1, 6) } : {})
    })),
    ...focus.plan
  }
}

/** The same client, which follows many channels too. */
export function followingMore (random: Random, plan: Plan): Plan {
  const subscriptions = MORE.map((channel) => ({ channel, qos: random.pick<QoS>([0, 1, 1, 2]) }))
  return { ...plan, subscriptions: [...plan.subscriptions, ...subscriptions] }
}

/** What goes wrong in a run, and how often. */
export interface Faults {
  readonly storage: StorageFaults
  readonly network: NetworkFaults
  readonly handlers: People['handlers']
  readonly refusals: Cluster['refusals']
}

/** What happens, and how often in relation to the rest. */
export const ACTIONS = {
  publish: 40,
  burst: 8,
  serverPublish: 16,
  retry: 4,
  conflict: 2,
  subscribe: 2,
  unsubscribe: 1,
  cut: 12,
  stall: 6,
  sense: 3,
  killNode: 2,
  stopNode: 1,
  killClient: 4,
  takeOver: 2,
  storeDown: 1,
  storeLost: 1,
  wait: 3,
  bogusAck: 1
}

/** The name of something that happens. */
export type Action = keyof typeof ACTIONS

/** What a run is about: what makes rare things frequent there. Whatever is not named is as in every run. */
export interface Focus {
  /** How many things happen before the end. Default 60; fewer where what comes later would mend it. */
  readonly steps?: number
  /** How often something happens in relation to the rest. */
  readonly actions?: Partial<Record<Action, number>>
  readonly storage?: Partial<StorageFaults>
  readonly network?: Partial<NetworkFaults>
  readonly handlers?: Partial<People['handlers']>
  /** What the clients are like. */
  readonly plan?: Partial<Plan>
  /** The share of runs in which some clients follow many channels. Default 0.3. */
  readonly more?: number
}

/** How often something happens in a run. */
export function weightsOf (focus: Focus): Readonly<Record<Action, number>> {
  return { ...ACTIONS, ...focus.actions }
}

/** Faults at random: in some runs the store, the network or the handlers do their work well, so that the others' faults show. */
export function faultsOf (random: Random, focus: Focus): Faults {
  const calm = random.chance(0.15)
  const level = (p: number): number => calm ? 0 : random.pick([0, p / 3, p, p * 2])
  return {
    storage: {
      latency: random.pick([3, 20, 150]),
      lostRequest: level(0.02),
      lostReply: level(0.02),
      late: level(0.03),
      dropBatch: level(0.1),
      repeatBatch: level(0.1),
      ...focus.storage
    },
    network: {
      refuse: random.pick([0, 0.1]),
      loseWelcome: random.pick([0, 0.1]),
      slow: random.pick([0, 0.3]),
      latency: random.pick([5, 60, 600]),
      ...focus.network
    },
    handlers: { slow: random.pick([0, 0.3]), fail: random.pick([0, 0, 0.1]), poison: random.pick([0, 0, 0.03]), ...focus.handlers },
    refusals: random.pick([{ subscribe: 0, publish: 0 }, { subscribe: 0.03, publish: 0.1 }])
  }
}
