import { MqttWire } from '../wires/mqtt.js'
import { sayVersion, startNativeServer } from './native-server.js'

const PROGRAM = '/usr/sbin/mosquitto'

/** The MQTT broker in C, over WebSocket. */
export const mosquitto = {
  title: 'MQTT over WebSocket',
  Wire: MqttWire,
  version: () => sayVersion(PROGRAM, '-h', /mosquitto version (\S+)/),
  start: () => startNativeServer(PROGRAM, configuration, ({ file }) => ['-c', file])
}

// The second listener is for nobody: 2.0 does not start with one for WebSockets alone.
const configuration = ({ port, folder }) => `
user root
listener 0 ${folder}/unused.sock
listener ${port} 127.0.0.1
socket_domain ipv4
protocol websockets
allow_anonymous true
persistence false
log_type error
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
`
