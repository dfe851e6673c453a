import { constants, inflateRawSync } from 'node:zlib'
import { textOf } from '../load/data.js'
import { readDigits } from '../load/digits.js'

const RSV1 = 0x40
const END_OF_MESSAGE = Buffer.from([0, 0, 0xff, 0xff])

/** What a client offers that wants shared compressed frames. */
export const DEFLATE = 'permessage-deflate; client_no_context_takeover; server_no_context_takeover'

/**
 * How a raw client speaks with one kind of server: connects, subscribes, publishes, counts. One wire serves all connections of a load
 * generator; what belongs to one of them is in its `state`.
 */
export class Wire {
  /** Bytes of a frame's payload that `frame` looks at. */
  peek = 128
  /** From the digits of a message's number to the end of its frame, in bytes. Known once the probe was seen. */
  #fromEnd = 0

  /** @param {WireOptions} options */
  constructor ({ qos, data, deflate, recovery, users }) {
    this.qos = qos
    this.data = data
    this.deflate = deflate
    this.recovery = recovery
    this.users = users
  }

  /** The request that opens this connection: `{ path, protocol?, extensions? }`. */
  upgrade (connection) { throw new Error('not written') }

  /** The upgrade was answered. By default a publisher is ready then; a subscriber once the server has confirmed. */
  opened (connection) {
    if (connection.role === 'publisher') connection.ready()
  }

  /**
   * A frame came: answers it where it needs an answer. Returns how many messages it carries; on a publisher's connection, how many of its
   * messages it acknowledges.
   */
  frame (connection, buffer, start, length, first) { throw new Error('not written') }

  /** All that was read and completed messages has been looked at. */
  endOfRead (connection) {}

  /** A publisher's messages. `first`: nothing has been published on this connection before. Returns a Publication. */
  publication (connection, first) { throw new Error('not written') }

  /** The JSON of each message in a frame's payload. */
  dataOf (payload, first) { throw new Error('not written') }

  /** Learns where in a frame things are, from the frame that brought message 0 alone. */
  learn (payload, first) {
    const { head } = this.data
    this.#fromEnd = payload.length - payload.indexOf(textOf(this.data, 0)) - head.length
  }

  /** The number of a message that lies `back` bytes before the last one of the frame that ends at `end`. */
  numberAt (buffer, end, back = 0) {
    return readDigits(buffer, end - back - this.#fromEnd)
  }
}

/** The text of a frame, which may be compressed. */
export function textOfFrame (payload, first) {
  const bytes = (first & RSV1) === 0 ? payload : inflateRawSync(Buffer.concat([payload, END_OF_MESSAGE]), { finishFlush: constants.Z_SYNC_FLUSH })
  return bytes.toString('utf8')
}

/** Whether a frame is compressed. */
export const isCompressed = (first) => (first & RSV1) !== 0

/**
 * @typedef {object} WireOptions
 * @property {0 | 1} qos
 * @property {import('../load/data.js').Data} data
 * @property {boolean} deflate whether subscribers offer compression
 * @property {boolean} recovery whether they ask for what they missed, where that is not a matter of course
 * @property {boolean} users whether each client is a user
 */
