import { once } from 'node:events'
import { connect } from 'node:net'

const EVERY = 256 // messages
const STALLED = 10_000 // milliseconds without a message

/** Tells the publisher how many messages have arrived: now and then, and when all are there. */
export class Progress {
  #socket
  #arrived = 0
  #told = 0
  #expected = Infinity
  #onAll = null

  /** Connects to where servers/turns.js listens. */
  async open (port) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(this.#socket, 'connect')
  }

  /** How many will have arrived in all. */
  expect (total) {
    this.#expected = total
  }

  /** Resolves when all have; rejects when nothing comes any more. */
  all () {
    if (this.#arrived >= this.#expected) return
    return new Promise((resolve, reject) => {
      let before = this.#arrived
      const watch = setInterval(() => {
        if (this.#arrived === before) reject(new Error(`nothing came for ${STALLED / 1000} s, and ${this.#expected - before} messages are missing`))
        before = this.#arrived
      }, STALLED)
      this.#onAll = () => {
        clearInterval(watch)
        resolve()
      }
    })
  }

  count (messages) {
    this.#arrived += messages
    if (this.#arrived - this.#told < EVERY && this.#arrived < this.#expected) return
    this.#told = this.#arrived
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeDoubleLE(this.#arrived)
    this.#socket.write(bytes)
    if (this.#arrived >= this.#expected) this.#onAll?.()
  }
}
