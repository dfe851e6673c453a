import t from 'tap'
import { story } from './findings.js'
import { loadLibrary } from './library.js'
import { runNemesis } from './run.js'

// Nothing lost, nothing twice, on real sockets that a proxy cuts. NEMESIS_SEED replays a schedule of cuts.

t.setTimeout(240_000)
t.jobs = 2

const library = await loadLibrary()

for (const qos of [1, 2] as const) {
  t.test(`QoS ${qos}: 10,000 messages each way through at least 200 cuts`, { timeout: 120_000 }, async (t) => {
    const seed = Number(process.env['NEMESIS_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
    t.comment(`NEMESIS_SEED=${seed}`)
    const report = await runNemesis(library, {
      seed, qos, messages: 10_000, channels: 6, publishers: 4, subscribers: 3, mean: { publisher: 60, subscriber: 550 }, patience: 30_000
    })
    const { violations, cuts, kills, reloads, history, stuck } = report
    t.comment(JSON.stringify({ cuts, kills, reloads, events: history.length }))
    t.equal(stuck, '', 'everything came to its end')
    for (const violation of violations.slice(0, 3)) t.comment(story(violation, history))
    t.strictSame(violations.slice(0, 20), [], `no violation (${violations.length})`)
    t.ok(Object.values(cuts).reduce((sum, count) => sum + count) >= 200, 'at least 200 cuts')
    for (const [kind, count] of Object.entries(cuts)) t.ok(count > 0, `some of them: ${kind}`)
    t.ok(kills > 0 && reloads > 0, 'clients were restarted from their stores')
    t.equal(history.filter(({ type }) => type === 'refused').length > 0, true, 'some publishes were refused')
  })
}
