import { randomBytes } from 'node:crypto'
import { writeDigits, readDigits } from '../load/digits.js'
import { TEXT, maskedFrame } from '../load/masked-frame.js'
import { Publication } from '../load/publication.js'
import { textOf } from '../load/data.js'
import { DEFLATE, Wire, isCompressed, textOfFrame } from './wire.js'

const PROTOCOL = 'fastify-push.1'
const STAY = maskedFrame(TEXT, '{"type":"pong"}') // the first frame after the hello makes this connection the owner of its session
const PONG = maskedFrame(TEXT, '{"type":"pong"}')
const FROM = Buffer.from('"from":')
const OFFSET_WIDTH = 12
const FIRST_SEQUENCE = 100_000_000 // every sequence has as many digits, so every message as many bytes

// The first bytes of the server's frames after `{"type":"`.
const TYPE = 9
const MESSAGES = code('me')
const PUBLISHED = code('pu')
const PINGED = code('pi')
const WELCOME = code('we')

/** PROTOCOL.md, as far as a load needs it. Messages in a frame are counted by their size: all have the same. */
export class FastifyPushWire extends Wire {
  peek = 192
  #bodyLength = 0 // of one message; 0 until it is learned
  #headLength = 0 // of all else in a frame

  upgrade ({ role, channel, state }) {
    state.session ??= randomBytes(16).toString('base64url')
    const subscriptions = role === 'subscriber' ? [{ channel, qos: this.qos, ...(state.position && { position: state.position }) }] : []
    const hello = Buffer.from(JSON.stringify({ type: 'hello', session: state.session, ...(this.users && { token: state.session }), subscriptions })).toString('base64url')
    return {
      path: '/push',
      protocol: `${PROTOCOL}, ${PROTOCOL.replace('.1', '')}.hello.${hello}`,
      ...(this.deflate && role === 'subscriber' ? { extensions: DEFLATE } : {})
    }
  }

  opened () {} // a publisher waits for the welcome too

  frame (connection, buffer, start, length, first) {
    if (isCompressed(first)) return this.#compressed(connection, buffer, start, length, first)
    const type = buffer.readUInt16BE(start + TYPE)
    if (type === MESSAGES) return this.#messages(connection, buffer, start, length, first)
    if (type === PUBLISHED) return JSON.parse(buffer.utf8Slice(start, start + length)).count
    if (type === PINGED) connection.write(PONG)
    else if (type === WELCOME) this.#welcome(connection, start + length, buffer, start)
    else throw new Error(`fastify-push said ${buffer.utf8Slice(start, start + length)}`)
    return 0
  }

  #welcome (connection, end, buffer, start) {
    const { subscriptions } = JSON.parse(buffer.utf8Slice(start, end))
    for (const { code, position } of subscriptions) {
      if (code !== undefined) throw new Error(`fastify-push refused the subscription: ${code}`)
      connection.state.position = position
    }
    connection.write(STAY)
    connection.ready()
  }

  #messages (connection, buffer, start, length, first) {
    connection.witness?.record(buffer, start, length, first)
    const count = this.#bodyLength === 0 ? 1 : Math.floor((length - this.#headLength + 1) / (this.#bodyLength + 1))
    if (this.qos > 0) connection.state.heard = fromOf(buffer, start) + count - 1
    connection.samples?.take(buffer, start + length, count, this.#bodyLength + 1)
    return count
  }

  // Where frames are compressed there is one message in each.
  #compressed (connection, buffer, start, length, first) {
    connection.witness?.record(buffer, start, length, first)
    return 1
  }

  // One acknowledgement for all that was read. A frame that is not complete is acknowledged with the next ones.
  endOfRead (connection) {
    const { role, channel, state } = connection
    if (this.qos === 0 || role === 'publisher' || !connection.complete) return
    state.position.offset = state.heard
    connection.write(ackOf(channel, state))
  }

  publication ({ channel, state }, first) {
    const text = textOf(this.data, 0)
    if (this.qos === 0) {
      return new Publication(maskedFrame(TEXT, `{"type":"publish","channel":"${channel}","qos":0,"data":${text}}`), this.data)
    }
    state.publisher ??= randomBytes(12).toString('base64url')
    const publisher = first ? `"publisher":"${state.publisher}",` : ''
    const frame = maskedFrame(TEXT, `{"type":"publish","channel":"${channel}","qos":1,${publisher}"sequence":${FIRST_SEQUENCE},"data":${text}}`)
    const at = frame.indexOf(`"sequence":${FIRST_SEQUENCE}`) + 11
    return new Publication(frame, this.data, [(bytes, start, number) => writeDigits(bytes, start + at, 9, FIRST_SEQUENCE + number)])
  }

  dataOf (payload, first) {
    return JSON.parse(textOfFrame(payload, first)).messages.map(({ data }) => JSON.stringify(data))
  }

  learn (payload, first) {
    if (isCompressed(first)) return
    super.learn(payload, first)
    const { messages } = JSON.parse(payload.toString('utf8'))
    if (messages.length !== 1) throw new Error('the probe came with other messages')
    this.#bodyLength = Buffer.byteLength(JSON.stringify(messages[0]))
    this.#headLength = payload.length - this.#bodyLength
  }
}

function code (letters) {
  return Buffer.from(letters).readUInt16BE()
}

function fromOf (buffer, start) {
  return readDigits(buffer, buffer.indexOf(FROM, start) + FROM.length)
}

// Spaces before a number are JSON: so the frame is made once for each connection, and only the digits are written.
function ackOf (channel, state) {
  state.ack ??= maskedFrame(TEXT, `{"type":"ack","positions":[{"channel":"${channel}","epoch":"${state.position.epoch}","offset":${' '.repeat(OFFSET_WIDTH)}}]}`)
  const bytes = Buffer.from(state.ack)
  const digits = String(state.heard)
  bytes.latin1Write(digits, bytes.length - 3 - digits.length)
  return bytes
}
