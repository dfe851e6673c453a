import { measureFlow } from '../measuring/flow.js'

const COMPRESSION = { threshold: 1024 }

/** Compressed once for all, against once for each. */
export const compressed = {
  name: 'compressed',
  title: '1 KB of JSON to 1,000 subscribers, compressed and not',
  about: 'Compression without context takeover on either side. One message outstanding.',
  trials: () => [{
    name: 'N=1000 one, 1 KB',
    unit: 'µs of server CPU per delivery',
    load: { data: 'realistic', channels: 1, subscribers: 1000, pacing: { kind: 'delivered', burst: 1 } },
    contestants: [
      { peer: 'fastify-push', name: 'fastify-push deflate', server: { compression: COMPRESSION }, load: { deflate: true } },
      { peer: 'fastify-push' },
      { peer: 'ws', name: 'ws deflate', server: { deflate: true }, load: { deflate: true } },
      { peer: 'ws' }
    ],
    baseline: 'fastify-push deflate',
    targets: [
      { row: 'ws deflate', of: 'fastify-push deflate', atLeast: 14 },
      { row: 'ws', of: 'fastify-push deflate', atLeast: 1.3 }
    ],
    columns: ['bytes'],
    measure: measureFlow
  }]
}
