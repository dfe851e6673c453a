import { measureFlow } from '../measuring/flow.js'

const PEER = { peer: 'fastify-push' }
const DATA = 'x'.repeat(126)
const MANY_BYTES = 128 * 1024 * 1024

/** What a delivery costs as other things grow. */
export const growth = {
  name: 'growth',
  title: 'Does a delivery get dearer as something else grows? N=100 one, QoS 1, 128 bytes',
  about: 'The same work each time, beside idle channels, on a longer history, after more sessions.',
  trials: ({ quick }) => [
    grown('idle channels', [
      { ...PEER, name: 'none', load: { idle: 0 } },
      { ...PEER, name: '1,000 with a subscriber', load: { idle: 1000 } },
      ...(quick ? [] : [{ ...PEER, name: '10,000 with a subscriber', load: { idle: 10_000 } }]),
      { ...PEER, name: '100,000 without', prepare: { what: 'publishEach', argument: { channels: 100_000, data: DATA } } }
    ], 'none'),
    grown('history', [10, 1000, 100_000].map((records) => ({
      ...PEER,
      name: `${records.toLocaleString('en')} records`,
      server: { history: { limit: records, bytes: MANY_BYTES } },
      prepare: { what: 'publishMany', argument: { channel: 'c/000000', count: records, data: DATA } }
    })), '10 records'),
    grown('former sessions', [0, 1000, 10_000].map((sessions) => ({
      ...PEER, name: `${sessions.toLocaleString('en')} sessions`, load: { visitors: sessions }
    })), '0 sessions')
  ]
}

function grown (name, contestants, baseline) {
  return {
    name,
    unit: 'µs of server CPU per delivery',
    load: { kind: 'crowded-flow', qos: 1, channels: 1, subscribers: 100, pacing: { kind: 'delivered', burst: 1 } },
    contestants,
    baseline,
    targets: [],
    measure: measureFlow
  }
}
