import { cpuOf } from '../processes/usage.js'
import { Connection, openAll } from './connection.js'
import { pacingOf } from './pacing.js'
import { Samples } from './samples.js'
import { Witness } from './witness.js'

const AT_ONCE = 200 // handshakes
const STALLED = 10_000 // milliseconds without a delivery
const SURPLUS_WAIT = 20 // milliseconds in which a message too many would show

/** Channels with a publisher and subscribers each, and messages that flow through them. */
export class Flow {
  #wire
  #port
  #options
  #channels
  #witness
  #samples = null
  /** @type {Error | null} */
  #trouble = null
  #run = null // what is under way: { left, acknowledged, resolve, reject }

  /**
   * @param {import('../wires/wire.js').Wire} wire
   * @param {number} port
   * @param {FlowOptions} options
   */
  constructor (wire, port, options) {
    this.#wire = wire
    this.#port = port
    this.#options = options
    this.#witness = new Witness(wire, wire.data)
    if (options.latency) this.#samples = new Samples(wire)
    this.#channels = Array.from({ length: options.channels }, (_, i) => this.#channel(`c/${String(i).padStart(6, '0')}`))
    // The first subscriber of all.
    const [first] = this.#channels[0].subscribers
    first.witness = this.#witness
  }

  #channel (name) {
    const publisher = this.#connection('publisher', name)
    const subscribers = Array.from({ length: this.#options.subscribers }, () => this.#connection('subscriber', name))
    const channel = { publisher, subscribers, publication: null, pacing: null, next: 0, due: 0, unacknowledged: 0 }
    for (const connection of [publisher, ...subscribers]) connection.owner = channel
    return channel
  }

  #connection (role, channel) {
    const connection = new Connection(this.#wire, this.#port, {
      role,
      channel,
      onMessages: role === 'publisher' ? (from, count) => this.#acknowledged(from.owner, count) : (to, count) => this.#delivered(to.owner, count),
      onError: (error) => this.#fail(error)
    })
    if (role === 'subscriber') connection.samples = this.#samples
    return connection
  }

  /** All subscribers' connections. */
  get subscribers () {
    return this.#channels.flatMap(({ subscribers }) => subscribers)
  }

  /** Opens all connections, and sends one message through each channel, from which the wire learns. Returns whether the server compresses. */
  async open () {
    await openAll(this.subscribers, AT_ONCE)
    await openAll(this.#channels.map(({ publisher }) => publisher), AT_ONCE)
    for (const channel of this.#channels) channel.publication = this.#wire.publication(channel.publisher, true)
    await this.#publish(1, { kind: 'delivered', burst: 1 })
    const { payload, first } = this.#witness.only()
    this.#wire.learn(payload, first)
    this.#check(0, 1)
    for (const channel of this.#channels) channel.publication = this.#wire.publication(channel.publisher, false)
    return { compressed: this.subscribers[0].compressed }
  }

  /** Publishes so many messages in each channel and measures until all of them have arrived. */
  async run ({ publishes, pid, pacing = this.#options.pacing }) {
    const first = this.#channels[0].next
    const bytes = this.#bytes()
    const before = { server: cpuOf(pid), load: cpuOf(process.pid), wall: performance.now() }
    await this.#publish(publishes, pacing)
    const wall = performance.now() - before.wall
    const measured = { wall, serverCpu: cpuOf(pid) - before.server, loadCpu: cpuOf(process.pid) - before.load }
    await new Promise((resolve) => setTimeout(resolve, SURPLUS_WAIT))
    this.#check(first, publishes)
    const deliveries = publishes * this.#options.channels * this.#options.subscribers
    return { ...measured, publishes, deliveries, bytes: this.#bytes() - bytes, ...this.#samples?.percentiles() }
  }

  async #publish (publishes, pacing) {
    const { channels, subscribers } = this.#options
    if (this.#trouble !== null) throw this.#trouble
    return new Promise((resolve, reject) => {
      const acknowledged = this.#wire.qos > 0 ? publishes * channels : 0
      const run = this.#run = { left: publishes * channels * subscribers, acknowledged, resolve, reject, watch: null }
      run.watch = watchProgress(() => run.left + run.acknowledged, (error) => this.#fail(error))
      for (const channel of this.#channels) {
        channel.pacing = pacingOf(pacing, publishes, (count) => this.#send(channel, count))
      }
      for (const channel of this.#channels) channel.pacing.start()
    })
  }

  #send (channel, count) {
    const { next } = channel
    channel.next += count
    channel.due += count * this.#options.subscribers
    for (let i = 0; this.#samples !== null && i < count; i++) this.#samples.sent(next + i)
    channel.publisher.write(channel.publication.frames(next, count))
  }

  #delivered (channel, count) {
    channel.due -= count
    if (this.#run === null || channel.due < 0) return this.#fail(new Error('a message came that was not published, or twice'))
    this.#run.left -= count
    if (channel.due === 0) channel.pacing.delivered()
    this.#endIfDone()
  }

  #acknowledged (channel, count) {
    if (this.#run === null) return this.#fail(new Error('an acknowledgement came for nothing'))
    this.#run.acknowledged -= count
    channel.pacing.acknowledged(count)
    this.#endIfDone()
  }

  #endIfDone () {
    const { left, acknowledged, resolve, watch } = this.#run
    if (left > 0 || acknowledged > 0) return
    clearInterval(watch)
    this.#run = null
    resolve()
  }

  // What goes wrong while nothing runs is told by the next check.
  #fail (error) {
    this.#trouble ??= error
    if (this.#run === null) return
    clearInterval(this.#run.watch)
    this.#run.reject(error)
    this.#run = null
  }

  // Everybody had each message once: by number on every connection, by content on the witness's.
  #check (first, publishes) {
    if (this.#trouble !== null) throw this.#trouble
    const expected = this.#channels[0].next
    for (const { received, channel } of this.subscribers) {
      if (received !== expected) throw new Error(`a subscriber of ${channel} got ${received} messages in all, not ${expected}`)
    }
    this.#witness.check(first, first + publishes)
  }

  #bytes () {
    return this.subscribers.reduce((sum, { bytes }) => sum + bytes, 0)
  }
}

function watchProgress (left, onStalled) {
  let before = left()
  return setInterval(() => {
    const now = left()
    if (now === before) onStalled(new Error(`nothing came for ${STALLED / 1000} s, and ${now} deliveries and acknowledgements are missing`))
    before = now
  }, STALLED)
}

/**
 * @typedef {object} FlowOptions
 * @property {number} channels
 * @property {number} subscribers of each channel
 * @property {object} pacing see pacing.js
 * @property {boolean} [latency] whether to measure it
 */
