import { once } from 'node:events'
import { createServer } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SEQUENCE_WIDTH } from '../load/data.js'

const TAIL = 'x'.repeat(114) // with the number and two quotation marks, 128 bytes of JSON

/** The data of the message with this number, as an application has it. */
export const dataOf = (number) => String(number).padStart(SEQUENCE_WIDTH, '0') + TAIL

/**
 * A server's own publishing, in turns of the event loop: each publishes several messages, as long as no more than a window of them has not yet reached the one
 * subscriber, who says how many it has got through a socket of its own (load/progress.js).
 */
export class Turns {
  #publish
  #received = 0
  #onReport = null
  #carry = Buffer.alloc(0)

  /** @param {(data: string) => Promise<unknown> | void} publish what it returns is awaited */
  constructor (publish) {
    this.#publish = publish
  }

  /** What a server can be asked for. */
  get handlers () {
    return { progressPort: () => this.#listen(), publishInTurns: (argument) => this.#run(argument) }
  }

  async #listen () {
    const server = createServer((socket) => socket.on('data', (bytes) => this.#reported(bytes))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server.address().port
  }

  #reported (bytes) {
    const all = Buffer.concat([this.#carry, bytes])
    const whole = all.length - all.length % 8
    this.#carry = all.subarray(whole)
    if (whole === 0) return
    this.#received = all.readDoubleLE(whole - 8)
    this.#onReport?.()
    this.#onReport = null
  }

  // Publishes the messages from `first` on, and resolves when the subscriber has got them all: with how long that took, in milliseconds.
  async #run ({ first, count, turn, window }) {
    const started = performance.now()
    const end = first + count
    const outcomes = turn === 1 ? await this.#oneByOne(first, end) : this.#inTurns(first, end, turn, window)
    await Promise.all([outcomes, this.#until(end)])
    return performance.now() - started
  }

  async #oneByOne (first, end) {
    for (let number = first; number < end; number++) await this.#publish(dataOf(number))
  }

  async #inTurns (first, end, turn, window) {
    let waiting = []
    for (let number = first; number < end; await nextTurn()) {
      if (number + turn - this.#received > window) await this.#until(number + turn - window)
      const outcomes = []
      for (let i = 0; i < turn && number < end; i++) outcomes.push(this.#publish(dataOf(number++)))
      waiting.push(Promise.all(outcomes))
      if (waiting.length === 1000) {
        await Promise.all(waiting)
        waiting = []
      }
    }
    await Promise.all(waiting)
  }

  async #until (number) {
    while (this.#received < number) await new Promise((resolve) => { this.#reportTo(resolve) })
  }

  #reportTo (resolve) {
    const before = this.#onReport
    this.#onReport = () => {
      before?.()
      resolve()
    }
  }
}
