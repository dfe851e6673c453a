import { MqttWire } from '../wires/mqtt.js'
import { startNodeServer, versionOf } from './node-server.js'

/** The MQTT broker for Node, over WebSocket, with its persistence in memory. */
export const aedes = {
  title: 'MQTT over WebSocket, persistence in memory',
  Wire: MqttWire,
  version: () => versionOf('aedes'),
  start: (options) => startNodeServer('aedes', options)
}
