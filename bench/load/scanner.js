/**
 * Cuts a byte stream into frames by jumping from header to header; nothing is copied or allocated but where a header falls between two
 * reads. What follows a header is looked at only as far as `peek` says.
 */
export class Scanner {
  #format
  #peek
  #onFrame
  #carry = null
  #skip = 0
  #pending = 0

  /**
   * @param {Format} format
   * @param {number} peek bytes of a frame's payload that must be there before it is shown; Infinity for all
   * @param {(buffer: Buffer, start: number, length: number, first: number) => number} onFrame
   *   shown each frame: where its payload starts, how long it is, its first byte; returns how many messages it carries
   */
  constructor (format, peek, onFrame) {
    this.#format = format
    this.#peek = peek
    this.#onFrame = onFrame
  }

  /** Whether every frame that was shown has come whole. */
  get complete () {
    return this.#skip === 0
  }

  /** Takes what was read. Returns how many messages are complete now that were not before. */
  scan (buffer, at, end) {
    let count = 0
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, end - at)
      this.#skip -= skipped
      at += skipped
      if (this.#skip > 0) return 0
      count = this.#pending
    }
    if (this.#carry !== null && at < end) {
      buffer = Buffer.concat([this.#carry, buffer.subarray(at, end)])
      at = 0
      end = buffer.length
      this.#carry = null
    }
    return count + this.#frames(buffer, at, end)
  }

  #frames (buffer, at, end) {
    let count = 0
    while (at < end) {
      const start = at + this.#format.headerLength(buffer, at, end)
      if (start > end) break
      const length = this.#format.payloadLength(buffer, at)
      const there = end - start
      if (there < length && there < this.#peek) break
      const messages = this.#onFrame(buffer, start, length, buffer[at])
      if (there < length) {
        this.#skip = length - there
        this.#pending = messages
        return count
      }
      count += messages
      at = start + length
    }
    // A copy: the read buffer belongs to all connections.
    if (at < end) this.#carry = Buffer.from(buffer.subarray(at, end))
    return count
  }
}

/**
 * @typedef {object} Format
 * @property {(buffer: Buffer, at: number, end: number) => number} headerLength Infinity while it cannot be told
 * @property {(buffer: Buffer, at: number) => number} payloadLength of a whole header
 */

/** WebSocket frames as servers send them: not masked. RFC 6455, 5.2. @type {Format} */
export const webSocketFormat = {
  headerLength (buffer, at, end) {
    if (end - at < 2) return Infinity
    const length = buffer[at + 1]
    return length < 126 ? 2 : length === 126 ? 4 : 10
  },
  payloadLength (buffer, at) {
    const length = buffer[at + 1]
    if (length < 126) return length
    if (length === 126) return buffer.readUInt16BE(at + 2)
    return buffer.readUInt32BE(at + 2) * 2 ** 32 + buffer.readUInt32BE(at + 6)
  }
}

/** MQTT control packets. MQTT 3.1.1, 2.2. @type {Format} */
export const mqttFormat = {
  headerLength (buffer, at, end) {
    for (let i = at + 1; i < end; i++) {
      if (buffer[i] < 128) return i + 1 - at
    }
    return Infinity
  },
  payloadLength (buffer, at) {
    let length = 0
    let shift = 0
    let byte
    do {
      byte = buffer[++at]
      length |= (byte & 127) << shift
      shift += 7
    } while (byte > 127)
    return length
  }
}
