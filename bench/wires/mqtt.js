import { randomBytes } from 'node:crypto'
import { textOf } from '../load/data.js'
import { BINARY, maskedFrame } from '../load/masked-frame.js'
import { Publication } from '../load/publication.js'
import { Scanner, mqttFormat } from '../load/scanner.js'
import { Wire } from './wire.js'

// Packet types, in the upper half of a packet's first byte.
const CONNECT = 0x10
const CONNACK = 0x20
const PUBLISH = 0x30
const PUBACK = 0x40
const SUBSCRIBE = 0x82
const SUBACK = 0x90

const CLEAN_SESSION = 0x02
const QOS_1 = 0x02
const PACKET_IDS = 65_535
const PACKET_PEEK = 128

/** MQTT 3.1.1 over WebSocket. Its packets need not keep to frames, so they are cut out of the stream of payloads. */
export class MqttWire extends Wire {
  peek = Infinity

  upgrade () {
    return { path: '/', protocol: 'mqtt' }
  }

  opened (connection) {
    const { state } = connection
    state.acks = []
    state.packets = new Scanner(mqttFormat, connection.witness === null ? PACKET_PEEK : Infinity,
      (buffer, start, length, first) => this.#packet(connection, buffer, start, length, first))
    connection.write(packet(CONNECT, string('MQTT'), [4, CLEAN_SESSION, 0, 0], string(randomBytes(8).toString('hex'))))
  }

  frame (connection, buffer, start, length) {
    return connection.state.packets.scan(buffer, start, start + length)
  }

  #packet (connection, buffer, start, length, first) {
    switch (first & 0xf0) {
      case PUBLISH: return this.#publish(connection, buffer, start, length, first)
      case PUBACK: return 1
      case CONNACK: this.#connected(connection, buffer[start + 1]); break
      case SUBACK: connection.ready(); break
      default: throw new Error(`unexpected packet ${first}`)
    }
    return 0
  }

  #connected (connection, code) {
    if (code !== 0) throw new Error(`not connected: ${code}`)
    if (connection.role === 'publisher') connection.ready()
    else connection.write(packet(SUBSCRIBE, [0, 1], string(connection.channel), [this.qos]))
  }

  #publish (connection, buffer, start, length, first) {
    connection.witness?.record(buffer, start, length, first)
    connection.samples?.take(buffer, start + length, 1, 0)
    if ((first & QOS_1) !== 0) {
      const at = start + 2 + buffer.readUInt16BE(start)
      connection.state.acks.push(packet(PUBACK, buffer.subarray(at, at + 2)))
    }
    return 1
  }

  // One for each message, all that were read in one write.
  endOfRead (connection) {
    const { state } = connection
    if (state.acks.length === 0) return
    connection.write(state.acks.length === 1 ? state.acks[0] : Buffer.concat(state.acks))
    state.acks = []
  }

  publication ({ channel }) {
    const text = textOf(this.data, 0)
    if (this.qos === 0) return new Publication(packet(PUBLISH, string(channel), text), this.data)
    const frame = packet(PUBLISH | QOS_1, string(channel), [0, 0], text)
    const at = frame.indexOf(text) - 2
    return new Publication(frame, this.data, [(bytes, start, number) => bytes.writeUInt16BE(number % PACKET_IDS + 1, start + at)])
  }

  dataOf (payload, first) {
    const topic = payload.readUInt16BE(0)
    return [payload.utf8Slice(2 + topic + ((first & QOS_1) !== 0 ? 2 : 0))]
  }
}

function string (text) {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}

function packet (first, ...parts) {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const length = []
  let rest = body.length
  do {
    length.push(rest > 127 ? rest & 127 | 128 : rest)
    rest >>= 7
  } while (rest > 0)
  return maskedFrame(BINARY, Buffer.concat([Buffer.from([first, ...length]), body]))
}
