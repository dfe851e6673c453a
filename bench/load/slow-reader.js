import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from './connection.js'
import { Flow } from './flow.js'
import { Witness } from './witness.js'

const PATIENCE = 30_000 // milliseconds for catching up
const LOOK = 20

/** A flow, and beside its subscribers one more that can stop reading. */
export class SlowReader {
  #flow
  #reader
  #witness
  #published = 0
  #reconnects = 0

  /** @param {import('./flow.js').FlowOptions} options of one channel */
  constructor (wire, port, options) {
    this.#flow = new Flow(wire, port, options)
    this.#witness = new Witness(wire, wire.data)
    this.#reader = new Connection(wire, port, {
      role: 'subscriber',
      channel: 'c/000000',
      onMessages () {},
      onError: () => this.#comeBack()
    })
    this.#reader.witness = this.#witness
  }

  async open () {
    await this.#reader.open()
    const answer = await this.#flow.open()
    await this.#caughtUp(1)
    return answer
  }

  /** As a flow's, for all but the reader, who does not read meanwhile if `paused`. Afterwards it must get all it missed, each message once. */
  async run ({ paused = false, ...options }) {
    if (paused) this.#reader.pause()
    const measured = await this.#flow.run(options)
    if (paused) this.#reader.resume()
    await this.#caughtUp(options.publishes)
    return { ...measured, reconnects: this.#reconnects }
  }

  // It was cut off: it comes back as any client does, with its position.
  #comeBack () {
    this.#reconnects++
    this.#reader.open().catch((error) => { throw error })
  }

  async #caughtUp (publishes) {
    const first = this.#published
    this.#published += publishes
    for (let waited = 0; this.#reader.received < this.#published && waited < PATIENCE; waited += LOOK) await sleep(LOOK)
    this.#witness.check(first, this.#published)
  }
}
