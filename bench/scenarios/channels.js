import { measureFlow } from '../measuring/flow.js'

const CHANNELS = 1000

/** Many channels at once. */
export const channels = {
  name: 'channels',
  title: '1,000 channels with a publisher each, QoS 0, 128 bytes',
  about: 'Each publisher has one message outstanding. Every subscriber follows one channel.',
  trials: () => [
    many(1, { ws: 1.2, 'socket.io': 3.5 }),
    many(10, { ws: 1.3, 'socket.io': 2.5 })
  ]
}

function many (subscribers, targets) {
  return {
    name: `${subscribers} subscriber${subscribers === 1 ? '' : 's'} each`,
    unit: 'µs of server CPU per delivery',
    load: { channels: CHANNELS, subscribers, pacing: { kind: 'delivered', burst: 1 } },
    contestants: [{ peer: 'fastify-push' }, { peer: 'ws' }, { peer: 'socket.io' }],
    baseline: 'fastify-push',
    targets: Object.entries(targets).map(([row, atLeast]) => ({ row, of: 'fastify-push', atLeast })),
    measure: measureFlow
  }
}
