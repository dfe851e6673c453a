import { measureFlow } from '../measuring/flow.js'

/** How long a message takes when the server has time. */
export const latency = {
  name: 'latency',
  title: 'From publish to receipt at 12,000 deliveries a second, QoS 0, 128 bytes',
  about: '120 messages a second, evenly spaced, to 100 subscribers; over all deliveries.',
  trials: () => [{
    name: 'N=100, 12,000 deliveries/s',
    unit: 'ms at p50',
    load: { channels: 1, subscribers: 100, latency: true, pacing: { kind: 'rate', perSecond: 120 } },
    contestants: [{ peer: 'fastify-push' }, { peer: 'ws' }, { peer: 'socket.io' }],
    baseline: 'fastify-push',
    targets: [{ row: 'fastify-push', of: 'ws', atMost: 1.1 }],
    columns: ['p99'],
    value: ({ p50 }) => p50,
    measure: measureFlow
  }]
}
