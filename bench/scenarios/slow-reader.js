import { measureSlowReader } from '../measuring/slow-reader.js'

const PER_SECOND = 20

/** What one who does not read does to the others. */
export const slowReader = {
  name: 'slow-reader',
  title: 'One of 1,000 subscribers does not read, QoS 1, 1 KB, 20 messages a second',
  about: 'Latency of the others, rounds with and without in turn. After each round the one reads on, reconnects if it was cut off, and must get every message it missed exactly once.',
  trials: ({ quick }) => [{
    name: 'N=1000, 20,000 deliveries/s',
    unit: 'ms at p50 of the others',
    load: { qos: 1, data: 1024, channels: 1, subscribers: 999, latency: true, pacing: { kind: 'rate', perSecond: PER_SECOND } },
    publishes: PER_SECOND * (quick ? 5 : 20), // more than the window, unless quick
    contestants: [{ peer: 'fastify-push' }],
    baseline: 'all read',
    targets: [{ row: 'one does not read', of: 'all read', atMost: 1.2 }],
    columns: ['p99', 'rss'],
    measure: measureSlowReader
  }]
}
