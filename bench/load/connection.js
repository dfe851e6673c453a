import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { CLOSE, PING, PONG, maskedFrame } from './masked-frame.js'
import { Scanner, webSocketFormat } from './scanner.js'

// One for all sockets: what is read is looked at before the next read.
const readBuffer = Buffer.allocUnsafe(256 * 1024)

/** One raw WebSocket client: a socket, its handshake, its frames. What frames mean is the wire's affair. */
export class Connection {
  /** Messages (of a publisher: acknowledgements) since it was made. */
  received = 0
  bytes = 0
  /** Whether the server agreed to compress. */
  compressed = false
  isReady = false
  /** Room for the wire and the load. */
  state = {}
  /** @type {import('./witness.js').Witness | null} */
  witness = null
  /** @type {import('./samples.js').Samples | null} */
  samples = null
  #wire
  #port
  #options
  #socket = null
  #scanner = null
  #upgraded = false
  #answer = ''
  #settle = null

  /**
   * @param {import('../wires/wire.js').Wire} wire
   * @param {number} port
   * @param {ConnectionOptions} options
   */
  constructor (wire, port, options) {
    this.#wire = wire
    this.#port = port
    this.#options = options
  }

  get role () {
    return this.#options.role
  }

  get channel () {
    return this.#options.channel
  }

  /** Whether every frame the wire was shown has come whole. */
  get complete () {
    return this.#scanner.complete
  }

  /** Connects (again). Resolves when the server has confirmed the subscription, or, of a publisher, the connection. */
  open () {
    this.isReady = this.#upgraded = false
    this.#answer = ''
    this.#scanner = new Scanner(webSocketFormat, this.witness === null && this.samples === null ? this.#wire.peek : Infinity,
      (buffer, start, length, first) => this.#frame(buffer, start, length, first))
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      const onread = { buffer: readBuffer, callback: (length) => this.#read(length) }
      this.#socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true, onread })
      this.#socket.once('connect', () => this.#socket.write(this.#request()))
      this.#socket.on('error', (error) => this.fail(error))
      this.#socket.on('close', () => this.fail(new Error('the server closed the connection')))
    })
  }

  #request () {
    const { path, protocol, extensions } = this.#wire.upgrade(this)
    return [
      `GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${this.#port}`, 'Upgrade: websocket', 'Connection: Upgrade',
      'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
      ...(extensions === undefined ? [] : [`Sec-WebSocket-Extensions: ${extensions}`]),
      '', ''
    ].join('\r\n')
  }

  #read (length) {
    let at = 0
    if (!this.#upgraded) {
      at = this.#handshake(length)
      if (at === -1) return true
    }
    this.bytes += length - at
    const count = this.#scanner.scan(readBuffer, at, length)
    if (count > 0) {
      this.received += count
      this.#wire.endOfRead(this)
      this.#options.onMessages(this, count)
    }
    return true
  }

  /** Reads the answer to the upgrade. Returns where frames begin, or -1. */
  #handshake (length) {
    const before = this.#answer.length
    this.#answer += readBuffer.latin1Slice(0, length)
    const end = this.#answer.indexOf('\r\n\r\n')
    if (end === -1) return -1
    if (!this.#answer.startsWith('HTTP/1.1 101')) {
      this.fail(new Error(`not upgraded: ${this.#answer.slice(0, 200)}`))
      return -1
    }
    this.#upgraded = true
    this.compressed = /^sec-websocket-extensions:.*permessage-deflate/im.test(this.#answer.slice(0, end))
    this.#answer = ''
    this.#wire.opened(this)
    return end + 4 - before
  }

  #frame (buffer, start, length, first) {
    if ((first & 0x08) === 0) return this.#wire.frame(this, buffer, start, length, first)
    if (first === PING) this.write(maskedFrame(PONG, buffer.subarray(start, start + length)))
    if (first === CLOSE) this.fail(new Error(`closed: ${buffer.readUInt16BE(start)} ${buffer.utf8Slice(start + 2, start + length)}`))
    return 0
  }

  /** From now on the server is at another port. */
  moved (port) {
    this.#port = port
  }

  /** For the wire: the server has confirmed. */
  ready () {
    this.isReady = true
    this.#settle?.resolve()
    this.#settle = null
  }

  /** Ends with an error that goes to whoever waits for this connection, or for its messages. */
  fail (error) {
    if (this.#socket.destroyed && this.#settle === null) return
    this.cut()
    if (this.#settle !== null) this.#settle.reject(error)
    else this.#options.onError(error)
    this.#settle = null
  }

  write (bytes) {
    this.#socket.write(bytes)
  }

  /** Stops and goes on reading. */
  pause () { this.#socket.pause() }
  resume () { this.#socket.resume() }

  /** Drops the connection without a word, and leaves no port behind that waits. */
  cut () {
    this.#socket.removeAllListeners('close')
    // Where the FIN is on its way libuv refuses to reset, and Node would never close it.
    if (this.#socket.writableEnded && !this.#socket.writableFinished) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }
}

/**
 * @typedef {object} ConnectionOptions
 * @property {'subscriber' | 'publisher'} role
 * @property {string} channel
 * @property {(connection: Connection, count: number) => void} onMessages called after each read that completed messages
 * @property {(error: Error) => void} onError
 */

/** Opens connections, so many at once. */
export async function openAll (connections, atOnce) {
  const waiting = connections.values()
  const worker = async () => {
    for (const connection of waiting) await connection.open()
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, connections.length) }, worker))
}
