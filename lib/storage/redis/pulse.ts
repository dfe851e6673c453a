import type { Server } from './connection.js'

/** How often a connection may be found without a sign of life. */
const CHANCES = 2

/**
 * Asks every server for a sign of life every so often, and drops the connection to one that gives none: it hangs, or its machine has gone without a word, and
 * another one may have its place by now. The client library itself would wait for as long as the network does, a quarter of an hour and more.
 */
export class Pulse {
  readonly #servers: () => readonly Server[]
  /** How often in a row there was none, and in which state it was. */
  readonly #missed = new WeakMap<Server, { readonly count: number, readonly status: string }>()
  readonly #interval: number
  #timer: NodeJS.Timeout | undefined

  /** `timeout`: how long a server has to answer, in milliseconds. */
  constructor (servers: () => readonly Server[], timeout: number) {
    this.#servers = servers
    this.#interval = Math.ceil(timeout / CHANCES)
  }

  start (): void {
    this.#timer = setInterval(() => { for (const server of this.#servers()) this.#beat(server) }, this.#interval)
    this.#timer.unref()
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  #beat (server: Server): void {
    const { status } = server
    const last = this.#missed.get(server)
    const count = last?.status === status ? last.count : 0 // that it was greeted in return is a sign of life too
    const isReady = status === 'ready'
    if (!isReady && status !== 'connect') { // no connection: the client library makes one in its own time
      this.#missed.delete(server)
    } else if (count >= CHANCES) {
      this.#missed.delete(server)
      server.disconnect(true)
    } else {
      this.#missed.set(server, { count: count + 1, status })
      if (!isReady) return // it was not greeted in return yet
      const answered = (): void => { this.#missed.delete(server) } // an error is an answer too
      server.callBuffer('PING').then(answered, answered)
    }
  }
}
