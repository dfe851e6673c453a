import { measureMemory } from '../measuring/memory.js'

/** What a connection costs that does nothing. */
export const memory = {
  name: 'memory',
  title: 'Memory of an idle connection with one subscription',
  about: 'All are subscribed to one channel. Resident memory after a garbage collection, before and after they connected, by connection.',
  trials: ({ quick, rounds }) => {
    const subscribers = quick ? 2000 : 10_000
    return [{
      name: `N=${subscribers}`,
      unit: 'KB of RSS per connection',
      load: { subscribers },
      rounds: Math.min(rounds, 3),
      contestants: [
        { peer: 'ws', name: '@fastify/websocket' },
        { peer: 'fastify-push' },
        { peer: 'fastify-push', name: 'fastify-push deflate', server: { compression: { threshold: 1024 } }, load: { deflate: true } },
        { peer: 'socket.io' }
      ],
      baseline: '@fastify/websocket',
      targets: [
        { row: 'fastify-push', of: '@fastify/websocket', atMost: 1.3 },
        { row: 'fastify-push deflate', of: 'fastify-push', atMost: 1.15 }
      ],
      measure: measureMemory
    }]
  }
}
