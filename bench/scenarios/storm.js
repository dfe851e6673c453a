import { measureStorm } from '../measuring/storm.js'

/** Everybody comes back at once. */
export const storm = {
  name: 'storm',
  title: 'All clients are cut off and reconnect at once',
  about: 'Ten messages of 128 bytes are published while they are away. The clock runs until the last one is subscribed again and has got all ten; a plain `ws` server has nothing to send again.',
  trials: ({ quick }) => {
    const subscribers = quick ? 1000 : 5000
    return [{
      name: `N=${subscribers}`,
      unit: 'ms until all are back',
      load: { subscribers },
      missed: 10,
      contestants: [
        { peer: 'fastify-push', load: { qos: 1 } },
        { peer: 'fastify-push', name: 'fastify-push, each a user', server: { users: true }, load: { qos: 1, users: true } },
        { peer: 'ws', load: { replay: false } },
        { peer: 'socket.io', server: { recovery: true }, load: { recovery: true } }
      ],
      baseline: 'fastify-push',
      targets: [
        { row: 'fastify-push', of: 'ws', atMost: 1.5 },
        { row: 'fastify-push', of: 'socket.io', atMost: 0.45 }
      ],
      columns: ['perConnection'],
      measure: measureStorm
    }]
  }
}
