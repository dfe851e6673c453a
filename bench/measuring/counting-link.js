import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** A link between a node and its Redis that counts what Redis sends: bytes, and how often a text is among them. */
export class CountingLink {
  bytes = 0
  found = 0
  #text
  #sockets = new Set()
  #server

  /** @param {string} text that does not overlap itself where it comes twice */
  constructor (text) {
    this.#text = Buffer.from(text)
  }

  /** Returns the port that stands for Redis. */
  async open (redis) {
    this.#server = createServer((node) => {
      const server = connect(redis, '127.0.0.1')
      let rest = Buffer.alloc(0)
      server.on('data', (bytes) => {
        this.bytes += bytes.length
        rest = this.#count(Buffer.concat([rest, bytes]))
      })
      for (const [from, to] of [[node, server], [server, node]]) {
        this.#sockets.add(from)
        from.setNoDelay(true)
        from.pipe(to)
        from.on('error', () => to.destroy())
        from.on('close', () => this.#sockets.delete(from))
      }
    }).listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this.#server.address().port
  }

  // Returns what may be the beginning of one more.
  #count (bytes) {
    let at = 0
    for (let next = bytes.indexOf(this.#text); next !== -1; next = bytes.indexOf(this.#text, at)) {
      this.found++
      at = next + this.#text.length
    }
    return bytes.subarray(Math.max(at, bytes.length - this.#text.length + 1))
  }

  async stop () {
    for (const socket of this.#sockets) socket.destroy()
    this.#server?.close()
  }
}
