import { setTimeout as sleep } from 'node:timers/promises'
import { cpuOf } from '../processes/usage.js'
import { Connection, openAll } from './connection.js'
import { Witness } from './witness.js'

const TRIES = 5 // where the kernel resets a connection before the server has seen it
const AT_ONCE = 200 // handshakes, as long as nobody looks at the clock
const PATIENCE = 60_000 // milliseconds

/** Subscribers that are cut off and come back all at once. */
export class Storm {
  #wire
  #connections
  #witness
  #arrived = 0 // messages, on all connections
  #expected = 0
  #onArrived = null
  #isLossExpected = false

  /**
   * @param {number | number[]} port of one node or several, on which clients are spread evenly
   * @param {{ subscribers: number, channels?: number }} options
   */
  constructor (wire, port, { subscribers, channels = 1 }) {
    const ports = [port].flat()
    this.#wire = wire
    this.#witness = new Witness(wire, wire.data)
    this.#connections = Array.from({ length: subscribers }, (_, i) => new Connection(wire, ports[i % ports.length], {
      role: 'subscriber',
      channel: `c/${String(Math.floor(i / ports.length) % channels).padStart(6, '0')}`,
      onMessages: (_, count) => this.#arrive(count),
      onError: (error) => { if (!this.#isLossExpected) throw error }
    }))
    this.#connections[0].witness = this.#witness
  }

  async open () {
    await openAll(this.#connections, AT_ONCE)
    return { compressed: this.#connections[0].compressed }
  }

  /** Waits for message 0, which the server has published, and learns from it. */
  async meet () {
    await this.#all(1)
    const { payload, first } = this.#witness.only()
    this.#wire.learn(payload, first)
    this.#check(0, 1)
  }

  /** Drops all connections. */
  cut () {
    for (const connection of this.#connections) connection.cut()
  }

  /** The nodes are about to vanish. */
  expectLoss () {
    this.#isLossExpected = true
  }

  /** The nodes are at other ports now. */
  moved ({ ports }) {
    this.#connections.forEach((connection, i) => connection.moved(ports[i % ports.length]))
    this.#isLossExpected = false
  }

  /** Connects all again at once, and measures until each has the messages it missed (those from `first` on, `missed` of them). */
  async run ({ pid, first, missed }) {
    const before = { server: cpuOf(pid), load: cpuOf(process.pid), wall: performance.now() }
    await Promise.all([...this.#connections.map(openPatiently), this.#all(missed)])
    const measured = {
      wall: performance.now() - before.wall,
      serverCpu: cpuOf(pid) - before.server,
      loadCpu: cpuOf(process.pid) - before.load,
      connections: this.#connections.length
    }
    await sleep(50)
    if (missed > 0) this.#check(first, missed)
    return measured
  }

  /** Resolves when everybody has got so many messages more. */
  #all (messages) {
    this.#expected += messages * this.#connections.length
    if (this.#arrived >= this.#expected) return
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.#expected - this.#arrived} messages did not come`)), PATIENCE)
      this.#onArrived = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #arrive (count) {
    this.#arrived += count
    if (this.#arrived >= this.#expected) this.#onArrived?.()
  }

  #check (first, messages) {
    for (const { received } of this.#connections) {
      if (received !== first + messages) throw new Error(`a subscriber got ${received} messages in all, not ${first + messages}`)
    }
    this.#witness.check(first, first + messages)
  }
}

// As any client would: with thousands of connections in one moment the kernel's queues overflow now and then.
async function openPatiently (connection) {
  for (let tries = 1; ; tries++) {
    try {
      return await connection.open()
    } catch (error) {
      if (error.code !== 'ECONNRESET' || tries === TRIES) throw error
    }
  }
}
