import { measureFlow } from '../measuring/flow.js'

/** Everything stored and acknowledged, by the server and by the subscribers. */
export const qos1 = {
  name: 'qos1',
  title: 'QoS 1, 128 bytes',
  about: '`with QoS hooks`: hooks are told of every delivery and acknowledgement; where there are none they cost nothing. The publisher keeps so many messages unacknowledged. Every subscriber acknowledges: cumulatively where the protocol can, one by one in MQTT.',
  trials: () => [
    acknowledged('1:1, 50 in flight', 1, 50, 10),
    acknowledged('N=1000, 10 in flight', 1000, 10, 20)
  ]
}

function acknowledged (name, subscribers, inFlight, atLeast) {
  return {
    name,
    unit: 'µs of server CPU per delivery',
    load: { qos: 1, channels: 1, subscribers, pacing: { kind: 'acknowledged', inFlight } },
    contestants: [{ peer: 'fastify-push' }, { peer: 'fastify-push', name: 'fastify-push, with QoS hooks', server: { hooks: true } }, { peer: 'aedes' }, { peer: 'mosquitto' }],
    baseline: 'fastify-push',
    targets: [{ row: 'aedes', of: 'fastify-push', atLeast }],
    measure: measureFlow
  }
}
