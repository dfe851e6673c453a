import t from 'tap'
import { ManualClock } from '../../lib/testkit/index.js'
import type { StorageAdapter } from '../../types/storage.js'
import { declared, failures } from './failures.js'
import { ofDurable, ofShared, type BreakPeer } from './peer-mutants.js'
import { Server, type Faults } from './server.js'

const ALL = ['lifecycle', 'log', 'repeats', 'recognise', 'retention', 'message ttl', 'cursors', 'feed', 'sessions', 'presence', 'supports', 'random']
const says = { durable: false, shared: false, certain: true }

interface Wanted {
  readonly parts: readonly string[]
  readonly supports?: Partial<StorageAdapter['supports']>
  readonly breakPeer?: BreakPeer
  readonly faults?: Faults
  /** In milliseconds. Long where a test is to pass. */
  readonly patience?: number
}

const PATIENT = 5000

/** What fails of the kit with adapters of one server each test, the second of which may be broken. */
async function failed ({ parts, supports = {}, breakPeer = (peer) => peer, faults = {}, patience = 20 }: Wanted): Promise<string[]> {
  const servers = new Map<StorageAdapter, Server>()
  const apart = new Server(new ManualClock(1), says).adapter()
  await apart.open({ onError: () => {} })
  return await failures(parts, (clock) => {
    const server = new Server(clock, { ...says, ...supports }, faults)
    const adapter = server.adapter()
    servers.set(adapter, server)
    return adapter
  }, {
    patience,
    createPeer: (adapter) => breakPeer((servers.get(adapter) as Server).adapter(), apart),
    interrupt: (adapter) => servers.get(adapter)?.interrupt(adapter)
  })
}

t.test('adapters of one server that are not broken pass, also while announcements are interrupted', async (t) => {
  t.same(await failed({ parts: ALL, supports: { shared: true, durable: true }, patience: PATIENT }), [])
  t.same(await failed({ parts: ALL, patience: PATIENT }), [])
})

for (const [what, mutants] of [['shared', ofShared], ['durable', ofDurable]] as const) {
  t.test(`an adapter that says it is ${what} is held to it`, async (t) => {
    const idle = new Set(declared({ createPeer: (adapter) => adapter }).filter((name) => name.startsWith(`supports: ${what}:`)))
    t.ok(idle.size >= 3)
    for (const [name, breakPeer] of mutants) {
      const names = await failed({ parts: ['supports'], supports: { [what]: true }, breakPeer })
      t.not(names.length, 0, name)
      for (const test of names) idle.delete(test)
    }
    t.same([...idle], [], 'no test of the kit is one that cannot fail')
  })
}

t.test('who says neither need not prove it', async (t) => {
  for (const [name, breakPeer] of [...ofShared, ...ofDurable]) t.same(await failed({ parts: ['supports'], breakPeer, patience: PATIENT }), [], name)
})

t.test('where two adapters take turns, the random tests catch what is broken in one', async (t) => {
  const names = ['members are each node\'s own', 'leases are each node\'s own', 'a list lags behind what another node did', 'each node fences its own members',
    'repeats are recognised by the node that stored them', 'cursors are each node\'s own']
  for (const [name, breakPeer] of ofShared.filter(([name]) => names.includes(name))) {
    t.not((await failed({ parts: ['random'], supports: { shared: true }, breakPeer })).length, 0, name)
  }
})

t.test('interruptions that are not told, or from which the feed does not come back, are caught', async (t) => {
  const [meanwhile, afterwards] = ['feed: what is appended while announcements are interrupted is announced, or `interrupted` is', 'feed: after an interruption, appends are announced again']
  t.same(await failed({ parts: ['feed'], faults: { silent: true }, patience: PATIENT }), [meanwhile, afterwards])
  t.same(await failed({ parts: ['feed'], faults: { forGood: true }, patience: PATIENT }), [afterwards])
  t.same(await failed({ parts: ['sessions'], faults: { silent: true }, patience: PATIENT }), ['sessions: a claim made while announcements are interrupted is heard, or `interrupted` is'])
})
