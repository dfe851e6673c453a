import t from 'tap'
import { mutate, type Mutation } from '../../helpers/mutate.js'
import type { ViolationKind } from '../checker.js'
import { describe, isFound } from '../findings.js'
import { loadLibrary } from '../library.js'
import { runRedisNemesis, type Plan, type Report } from './run.js'

// The checker is proved: with a rule of the product switched off, small runs on Redis are found wrong, in the way the rule is there to prevent.

const SMALL = { store: 'server', args: [], durable: false, count: 3, haste: 0.3, messages: 40, nodes: 2, channels: 2, mean: 40 } as const
const DURABLE = { args: ['--appendonly', 'yes', '--appendfsync', 'always'], durable: true } as const
/** Runs, each with another seed, in one of which the fault must show. */
const TRIES = 4
/** A run that is wrong may wait for ever for what was lost. Milliseconds. */
const PATIENCE = { right: 30_000, wrong: 8_000 }

interface Proof {
  readonly name: string
  readonly mutations: readonly Mutation[]
  /** One of these must be found; none: the run must be right. */
  readonly kinds: readonly ViolationKind[]
  readonly plan: Pick<Plan, 'faults'> & Partial<Plan>
}

const lost = { 'link-cut-reply': 2, 'kill-normal': 1 } as const
const deaf = { 'kill-pubsub': 2, 'link-cut': 1 } as const
const undone = { flush: 1, 'redis-rollback': 1 } as const

const noSequences: Mutation = { file: 'storage/redis/lua/log.js', search: 'if sequence > last then', replace: 'if true then' }
const noIds: Mutation = { file: 'storage/redis/lua/log.js', search: 'if not remembered then', replace: 'if true then' }
// Ids that a node makes itself are remembered by groups.
const noGroups: Mutation = { file: 'storage/redis/lua/log.js', search: 'if each == name then return', replace: 'if false then return' }
const noPrint: Mutation = { file: 'storage/redis/lua/log.js', search: 'return same == print and 1 or 2, origin == s.origin and tonumber(offset) or 0', replace: 'return 0, 0' }

const proofs: readonly Proof[] = [
  { name: 'nothing', mutations: [], kinds: [], plan: { ...DURABLE, faults: { ...lost, ...deaf, 'redis-kill': 2 } } },
  { name: 'nothing, and the store loses data', mutations: [], kinds: [], plan: { faults: undone } },
  {
    name: 'dedup of publishes by sequence, and so by the id of each',
    mutations: [noSequences, noIds, noGroups],
    kinds: ['duplicate', 'repeat', 'unknown-twice'],
    plan: { ...DURABLE, faults: lost, mean: 15 }
  },
  {
    name: 'dedup of publishes by id',
    mutations: [noPrint, noGroups],
    kinds: ['duplicate', 'repeat', 'unknown-twice'],
    plan: { ...DURABLE, faults: { 'redis-stop': 1 }, haste: 1 }
  },
  {
    name: 'dedup of publishes by the ids that nodes make',
    mutations: [noGroups],
    kinds: ['duplicate', 'repeat', 'unknown-twice'],
    plan: { ...DURABLE, faults: { 'redis-stop': 1 }, haste: 1 }
  },
  {
    name: 'repair of holes (a subscription goes on at the head, and the client follows)',
    mutations: [
      { file: 'broker/subscription.js', search: 'this.#goOn();', replace: 'this.advance(this.seen);' },
      { file: 'client/subscription.js', search: "what === 'behind' && this.#granted === 0", replace: "what === 'behind'" }
    ],
    kinds: ['hole', 'lost'],
    plan: { ...DURABLE, faults: deaf }
  },
  {
    name: 'comparing heads after the feed was interrupted, and now and then',
    mutations: [{ file: 'broker/hub.js', search: 'if (!isAsked)', replace: 'if (false)' }],
    kinds: ['lost'],
    plan: { ...DURABLE, faults: { 'clock-jump': 1 }, haste: 1, count: 1, mean: Infinity } // nobody listens when the last ones are published
  },
  {
    name: 'the incarnation of the store (a log whose tail was lost goes on as if nothing was)',
    mutations: [{ file: 'storage/redis/lua/log.js', search: 'elseif s.incarnation ~= incarnation() then', replace: 'elseif false then' }],
    kinds: ['disagreement', 'lost', 'hole', 'duplicate'],
    plan: { faults: { 'redis-rollback': 1 } }
  },
  {
    name: 'new epochs (a log that was flushed is made anew under its old name)',
    mutations: [{ file: 'storage/epoch.js', search: 'return names.slice(from, at);', replace: "return 'always-the-same';" }],
    kinds: ['disagreement', 'lost', 'hole'],
    plan: { faults: { flush: 1 } }
  },
  {
    name: 'telling of a new epoch',
    mutations: [{ file: 'core/position.js', search: "gap: unknown('epoch')", replace: 'gap: undefined' }],
    kinds: ['silent-reset', 'lost'],
    plan: { faults: { flush: 1 } }
  },
  {
    name: 'resend (what was sent counts as stored)',
    mutations: [{
      file: 'client/publisher.js',
      search: 'of run.items.slice(0, run.inFlight))',
      replace: "of run.items.splice(0, run.inFlight)) item.resolve({ id: '', position: null, duplicate: false }); for (const item of [])"
    }],
    kinds: ['lost'],
    plan: { ...DURABLE, faults: lost, mean: 15 }
  }
]

t.setTimeout(240_000)
t.jobs = 2

for (const [index, { name, mutations, kinds, plan }] of proofs.entries()) {
  t.test(`switched off: ${name}: ${kinds.length === 0 ? 'still right' : 'found wrong'}`, { timeout: 110_000 }, async (t) => {
    const { root, release } = mutate(`redis-nemesis-${index}`, mutations)
    t.teardown(release)
    const library = await loadLibrary(root)
    const first = Number(process.env['NEMESIS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    const patience = kinds.length > 0 ? PATIENCE.wrong : PATIENCE.right
    let report: Report | null = null
    for (let seed = first; seed < first + TRIES && !isFound(report?.violations, kinds); seed++) {
      const began = performance.now()
      report = await runRedisNemesis(library, { ...SMALL, ...plan, seed, patience }, root.href)
      const { violations, faults, cuts, stuck } = report
      t.comment(`NEMESIS_SEED=${seed} ${Math.round(performance.now() - began)} ms ${JSON.stringify({ faults, cuts })} ${describe(violations)} ${stuck}`)
      if (kinds.length > 0) continue
      t.strictSame(violations.slice(0, 5), [])
      t.equal(stuck, '')
      return
    }
    t.ok(isFound(report?.violations, kinds), `the checker finds ${kinds.join(' or ')}`)
  })
}
