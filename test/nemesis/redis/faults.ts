import type { Random } from '../../model/random.js'
import type { Event } from '../history.js'
import type { Fleet, Member } from './fleet.js'
import type { Store } from './store.js'

/** What befalls the store. */
export const STORE_FAULTS = ['redis-kill', 'redis-stop', 'script-flush', 'kill-pubsub', 'kill-normal', 'memory-full'] as const
/** What makes the store lose data. `redis-rollback`: it is killed, and comes back with what it had some time before. */
export const DAMAGES = ['redis-rollback', 'flush', 'delete-log', 'delete-meta', 'delete-cursors'] as const
/** What befalls the link between a node and Redis. `cut-reply`: after some bytes of what Redis says. */
export const LINK_FAULTS = ['link-cut', 'link-stall', 'link-delay', 'link-cut-reply'] as const
/** What befalls nodes. `node-term`: ended in order, and started again. `clock-jump`: of the wall clock, by an hour. */
export const NODE_FAULTS = ['node-kill', 'node-stop', 'node-term', 'clock-jump'] as const

export type FaultKind = typeof STORE_FAULTS[number] | typeof DAMAGES[number] | typeof LINK_FAULTS[number] | typeof NODE_FAULTS[number]

/** A fault that has begun. */
export interface Fault {
  readonly kind: FaultKind
  /** What two faults at once must not both befall. */
  readonly victim: object
  /** Milliseconds for which it is to last. */
  readonly lasts: number
  /** Some time before it begins. */
  prepare (): Promise<void>
  begin (): Promise<void>
  end (): Promise<void>
}

export interface FaultContext {
  readonly store: Store
  readonly fleet: Fleet
  readonly channels: readonly string[]
  readonly random: Random
  readonly note: (event: Event) => void
}

type Deeds = Pick<Fault, 'lasts' | 'begin'> & Partial<Pick<Fault, 'prepare' | 'end' | 'victim'>>

/** Makes ready a fault of this kind. */
export function faultOf (kind: FaultKind, context: FaultContext): Fault {
  const deeds = kind in STORE ? STORE[kind as keyof typeof STORE](context) : NODE[kind as keyof typeof NODE](context, context.fleet.pick(context.random))
  return { kind, victim: context.store, prepare: async () => {}, end: async () => {}, ...deeds }
}

const once = (begin: () => Promise<unknown>): Deeds => ({ lasts: 0, begin: async () => { await begin() } })
const remove = ({ store, random, channels }: FaultContext, what: string): Deeds => once(() => store.ask('DEL', `push:{${random.pick(channels)}}:${what}`))

const STORE: Record<typeof STORE_FAULTS[number] | typeof DAMAGES[number], (context: FaultContext) => Deeds> = {
  'redis-kill': ({ store, random, note }) => {
    const { servers } = store
    let master = servers[0]
    return {
      lasts: servers.length > 1 ? random.int(50, 4000) : random.int(50, 1000),
      begin: async () => {
        master = await store.master()
        note({ type: 'store-restarted' })
        await master.kill()
      },
      end: async () => { await master?.start() }
    }
  },
  'redis-rollback': ({ store, random, note }) => ({
    lasts: random.int(50, 500),
    prepare: async () => { await store.ask('SAVE') },
    begin: async () => {
      note({ type: 'store-restarted' })
      await store.servers[0]?.kill()
    },
    end: async () => { await store.servers[0]?.start() }
  }),
  'redis-stop': ({ store: { servers }, random }) => {
    const server = random.pick(servers)
    return {
      lasts: random.int(100, 2000),
      begin: async () => server.signal('SIGSTOP'),
      end: async () => server.signal('SIGCONT')
    }
  },
  'memory-full': ({ store, random }) => ({
    lasts: random.int(100, 800),
    begin: async () => { await store.ask('CONFIG', 'SET', 'maxmemory', '1') },
    end: async () => { await store.ask('CONFIG', 'SET', 'maxmemory', '0') }
  }),
  'script-flush': ({ store }) => once(() => store.ask('SCRIPT', 'FLUSH')),
  'kill-pubsub': ({ store }) => once(() => store.ask('CLIENT', 'KILL', 'TYPE', 'pubsub')),
  'kill-normal': ({ store }) => once(() => store.ask('CLIENT', 'KILL', 'TYPE', 'normal')),
  flush: ({ store }) => once(() => store.ask('FLUSHALL')),
  'delete-log': (context) => remove(context, 'log'),
  'delete-meta': (context) => remove(context, 'meta'),
  'delete-cursors': (context) => remove(context, 'cursors')
}

const NODE: Record<typeof LINK_FAULTS[number] | typeof NODE_FAULTS[number], (context: FaultContext, member: Member) => Deeds> = {
  'link-cut': (_context, { link }) => once(async () => link?.reset()),
  'link-cut-reply': ({ random }, { link }) => once(async () => link?.cutAfter('down', random.int(1, 2000))),
  'link-stall': ({ random }, { link }) => {
    const directions = random.pick([['up'], ['down'], ['up', 'down']] as const)
    const isLost = random.chance(0.5)
    return {
      victim: link as object,
      lasts: random.int(100, 2000),
      begin: async () => { for (const direction of directions) link?.stall(direction) },
      end: async () => {
        if (isLost) link?.reset()
        link?.resume()
      }
    }
  },
  'link-delay': ({ random }, { link }) => {
    const delay = random.int(5, 150)
    const set = (ms: number) => async () => { if (link !== null) link.delay = ms }
    return { victim: link as object, lasts: random.int(200, 1500), begin: set(delay), end: set(0) }
  },
  'node-kill': ({ random }, member) => ({ victim: member, lasts: random.int(0, 800), begin: () => member.kill(), end: () => member.start() }),
  'node-stop': ({ random }, member) => ({
    victim: member,
    lasts: random.int(200, 2500),
    begin: async () => member.signal('SIGSTOP'),
    end: async () => member.signal('SIGCONT')
  }),
  'clock-jump': ({ random }, member) => ({
    victim: member,
    lasts: random.int(100, 1000),
    begin: () => member.jump(random.pick([3_600_000, -3_600_000])),
    end: () => member.jump(0)
  }),
  'node-term': (_context, member) => ({
    victim: member,
    lasts: 0,
    begin: async () => {
      const code = await member.close()
      if (code !== 0) throw new Error(`a node that was to end in order ended with ${String(code)}`)
    },
    end: () => member.start()
  })
}
