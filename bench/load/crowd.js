import { Connection, openAll } from './connection.js'

const AT_ONCE = 200

/** Subscribers that are there and do nothing. */
export class Crowd {
  #connections

  /** @param {{ subscribers: number, channelOf?: (index: number) => string }} options by default, all in one channel */
  constructor (wire, port, { subscribers, channelOf = () => 'c/000000' }) {
    this.#connections = Array.from({ length: subscribers }, (_, i) => new Connection(wire, port, {
      role: 'subscriber',
      channel: channelOf(i),
      onMessages () { throw new Error('a message came, and nobody published any') },
      onError (error) { throw error }
    }))
  }

  /** Opens all connections. Returns whether the server compresses. */
  async open () {
    await openAll(this.#connections, AT_ONCE)
    return { compressed: this.#connections[0]?.compressed ?? false }
  }

  /** They are gone. */
  leave () {
    for (const connection of this.#connections) connection.cut()
  }
}
