import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from './connection.js'
import { Progress } from './progress.js'
import { Sequence } from './sequence.js'
import { Witness } from './witness.js'

const PATIENCE = 10_000 // milliseconds
const LOOK = 10
const SURPLUS_WAIT = 20 // milliseconds in which a message too many would show

/** The one subscriber of a channel, on another node than the publisher. It must get every message once, in order. */
export class Follower {
  #wire
  #connection
  #witness
  #sequence
  #progress = new Progress()
  #isMet = false

  /** @param {{ channel?: string }} options */
  constructor (wire, port, { channel = 'c/000000' }) {
    this.#wire = wire
    this.#witness = new Witness(wire, wire.data)
    this.#sequence = new Sequence(wire)
    this.#connection = new Connection(wire, port, {
      role: 'subscriber',
      channel,
      onMessages: (_, count) => { if (this.#isMet) this.#progress.count(count) },
      onError: (error) => { throw error }
    })
    this.#connection.witness = this.#witness
  }

  async open () {
    await this.#connection.open()
    return { compressed: false }
  }

  /** Waits for message 0 and learns from it. From then on it tells the publisher of its progress, and only numbers are looked at. */
  async meet ({ progress }) {
    for (let waited = 0; this.#connection.received < 1 && waited < PATIENCE; waited += LOOK) await sleep(LOOK)
    const { payload, first } = this.#witness.only()
    this.#wire.learn(payload, first)
    this.#witness.check(0, 1)
    this.#connection.witness = null
    this.#connection.samples = this.#sequence
    this.#sequence.took(0)
    await this.#progress.open(progress)
    this.#progress.count(1)
    this.#isMet = true
  }

  /** How many messages it will have got in all. */
  expect ({ total }) {
    this.#progress.expect(total)
  }

  /** Resolves when they have come. */
  arrived () {
    return this.#progress.all()
  }

  /** Throws where it has not got so many in all. */
  async check ({ total }) {
    await sleep(SURPLUS_WAIT)
    if (this.#sequence.next !== total || this.#connection.received !== total) throw new Error(`the subscriber got ${this.#connection.received} messages in all, not ${total}`)
  }
}
