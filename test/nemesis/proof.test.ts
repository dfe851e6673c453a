import t from 'tap'
import { mutate, type Mutation } from '../helpers/mutate.js'
import type { ViolationKind } from './checker.js'
import { describe, isFound } from './findings.js'
import { loadLibrary } from './library.js'
import { runNemesis, type Plan, type Report } from './run.js'

// The checker is proved: with a rule of the product switched off, a small run is found wrong, in the way the rule is there to prevent.

const SMALL: Omit<Plan, 'seed' | 'patience'> = {
  qos: 2, messages: 500, channels: 2, publishers: 2, subscribers: 2, mean: { publisher: 20, subscriber: 60 }
}
/** Runs, each with another seed, in one of which the fault must show. */
const TRIES = 4
/** A run that is wrong may wait for ever for what was lost. Milliseconds. */
const PATIENCE = { right: 30_000, wrong: 3_000 }

interface Proof {
  readonly name: string
  readonly mutations: readonly Mutation[]
  /** One of these must be found; none: the run must be right. */
  readonly kinds: readonly ViolationKind[]
  readonly plan?: Partial<Plan>
}

const noPositions: Mutation = { file: 'client/subscription.js', search: 'this.received ?? this.from;', replace: 'this.from;' }
const noSequences: Mutation = { file: 'storage/memory/channel-log.js', search: 'publisher.sequence <= last.sequence', replace: 'false' }
const proofs: readonly Proof[] = [
  { name: 'nothing', mutations: [], kinds: [] },
  { name: 'nothing, and channels keep little', mutations: [], kinds: [], plan: { keep: 20 } },
  {
    name: "the client's position in the hello (what comes again is recognised)",
    mutations: [noPositions],
    kinds: []
  },
  {
    name: 'dedup in the client',
    mutations: [noPositions, { file: 'client/subscription.js', search: 'verdict(this.received, epoch, from + i);', replace: "'deliver';" }],
    kinds: ['duplicate']
  },
  {
    name: 'dedup of publishes by sequence, at QoS 1',
    mutations: [noSequences],
    kinds: ['repeat', 'unknown-twice'],
    plan: { qos: 1 }
  },
  {
    name: 'dedup of publishes by sequence and by id, at QoS 2',
    mutations: [noSequences, { file: 'storage/memory/channel-log.js', search: 'known === undefined || id === undefined', replace: 'true' }],
    kinds: ['duplicate', 'unknown-twice']
  },
  {
    name: 'gap repair (the server goes on at the head, and the client follows)',
    mutations: [
      { file: 'broker/subscription.js', search: 'this.#goOn();', replace: 'this.advance(this.seen);' },
      { file: 'client/subscription.js', search: "what === 'behind' && this.#granted === 0", replace: "what === 'behind'" }
    ],
    kinds: ['hole', 'lost']
  },
  {
    name: 'resend (what was sent counts as stored)',
    mutations: [{
      file: 'client/publisher.js',
      search: 'of run.items.slice(0, run.inFlight))',
      replace: "of run.items.splice(0, run.inFlight)) item.resolve({ id: '', position: null, duplicate: false }); for (const item of [])"
    }],
    kinds: ['lost']
  },
  {
    name: 'redelivery (a subscriber that comes back begins at the head)',
    mutations: [{ file: 'broker/subscribing.js', search: 'request.position ?? stored', replace: 'null' }],
    kinds: ['hole', 'lost']
  },
  {
    name: 'telling of gaps',
    mutations: [{ file: 'broker/subscribing.js', search: 'return gap === undefined', replace: 'return true' }],
    kinds: ['hole'],
    plan: { keep: 20 }
  }
]

t.setTimeout(240_000)
t.jobs = 3

for (const [index, { name, mutations, kinds, plan }] of proofs.entries()) {
  t.test(`switched off: ${name}: ${kinds.length === 0 ? 'still right' : 'found wrong'}`, { timeout: 120_000 }, async (t) => {
    const { root, release } = mutate(`nemesis-${index}`, mutations)
    t.teardown(release)
    const library = await loadLibrary(root)
    const first = Number(process.env['NEMESIS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    let report: Report | null = null
    for (let seed = first; seed < first + TRIES && !isFound(report?.violations, kinds); seed++) {
      report = await runNemesis(library, { ...SMALL, ...plan, seed, patience: kinds.length > 0 ? PATIENCE.wrong : PATIENCE.right })
      const { violations, cuts, kills, reloads, stuck } = report
      t.comment(`NEMESIS_SEED=${seed} ${JSON.stringify({ cuts, kills, reloads, stuck })} ${describe(violations)}`)
      if (kinds.length > 0) continue
      t.strictSame(violations.slice(0, 5), [])
      t.equal(stuck, '')
      if (plan?.keep !== undefined) t.ok(report.history.some(({ type }) => type === 'gap'), 'gaps were told')
      return
    }
    t.ok(isFound(report?.violations, kinds), `the checker finds ${kinds.join(' or ')}`)
  })
}
