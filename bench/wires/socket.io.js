import { textOf } from '../load/data.js'
import { TEXT, maskedFrame } from '../load/masked-frame.js'
import { Publication } from '../load/publication.js'
import { Wire, textOfFrame } from './wire.js'

// Engine.IO's packets `0` open, `2` ping, `3` pong, `4` message; Socket.IO's in the latter `0` connect, `2` event, `3` ack.
const OPEN = 48
const PING = 50
const MESSAGE = 52
const EVENT = 50
const CONNECTED = 48
const PONG_FRAME = maskedFrame(TEXT, '3')
const JOIN_ID = 1

/** Socket.IO 4 over its WebSocket transport alone. To recover, a client keeps the session's secret and the offset that ends each event. */
export class SocketIoWire extends Wire {
  upgrade () {
    return { path: '/socket.io/?EIO=4&transport=websocket' }
  }

  opened () {}

  frame (connection, buffer, start, length, first) {
    const type = buffer[start]
    if (type === MESSAGE) return this.#message(connection, buffer, start, length, first)
    if (type === PING) connection.write(PONG_FRAME)
    else if (type === OPEN) connection.write(maskedFrame(TEXT, connectPacket(connection.state)))
    return 0
  }

  #message (connection, buffer, start, length, first) {
    const type = buffer[start + 1]
    if (type === EVENT) {
      connection.witness?.record(buffer, start, length, first)
      connection.samples?.take(buffer, start + length, 1, 0)
      if (this.recovery) connection.state.offset = lastString(buffer, start + length - 1)
      return 1
    }
    if (type === CONNECTED) this.#connected(connection, JSON.parse(buffer.utf8Slice(start + 2, start + length)))
    else connection.ready() // the answer to `join`
    return 0
  }

  #connected (connection, { pid }) {
    const { role, channel, state } = connection
    const recovered = pid !== undefined && pid === state.pid // it is in its rooms again
    state.pid = pid
    if (recovered || role === 'publisher') connection.ready()
    else connection.write(maskedFrame(TEXT, `42${JOIN_ID}${JSON.stringify(['join', channel])}`))
  }

  publication ({ channel }) {
    return new Publication(maskedFrame(TEXT, `42["publish","${channel}",${textOf(this.data, 0)}]`), this.data)
  }

  dataOf (payload, first) {
    return [JSON.stringify(JSON.parse(textOfFrame(payload, first).slice(2))[1])]
  }
}

function connectPacket ({ pid, offset }) {
  return pid === undefined ? '40' : `40${JSON.stringify({ pid, offset })}`
}

// The last string of the array that ends at `end`.
function lastString (buffer, end) {
  const start = buffer.lastIndexOf('"', end - 2)
  return buffer.latin1Slice(start + 1, end - 1)
}
