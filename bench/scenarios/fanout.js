import { measureFlow } from '../measuring/flow.js'

const OURS = { peer: 'fastify-push' }
const NODE = [OURS, { peer: 'ws' }, { peer: 'socket.io' }]
const ALL = [...NODE, { peer: 'aedes' }, { peer: 'mosquitto' }, { peer: 'nchan' }]

/** One channel, many subscribers. */
export const fanout = {
  name: 'fanout',
  title: 'Fan-out of 128 bytes from one publisher, QoS 0',
  about: '`one`: the next message is published when everybody has got the last one, so nothing can be batched. `burst10`: ten messages in one TCP write, one burst outstanding.',
  trials: ({ quick }) => [
    fan(100, 1, NODE),
    fan(1000, 1, quick ? NODE : ALL, { ws: 1.35, 'socket.io': 1.6 }),
    fan(1000, 10, quick ? NODE : ALL, { ws: 15, 'socket.io': 18 }),
    fan(10_000, 1, NODE),
    fan(10_000, 10, NODE, { ws: 15 })
  ]
}

function fan (subscribers, burst, contestants, targets = {}) {
  return {
    name: `N=${subscribers} ${burst === 1 ? 'one' : `burst${burst}`}`,
    unit: 'µs of server CPU per delivery',
    load: { channels: 1, subscribers, pacing: { kind: 'delivered', burst } },
    contestants,
    baseline: 'fastify-push',
    targets: Object.entries(targets).map(([row, atLeast]) => ({ row, of: 'fastify-push', atLeast })),
    measure: measureFlow
  }
}
