import { Crowd } from './crowd.js'
import { Flow } from './flow.js'

/** A flow on a server that has others to think of. */
export class CrowdedFlow {
  #visitors
  #idlers
  #flow

  /** @param {import('./flow.js').FlowOptions & { idle?: number, visitors?: number }} options `idle` channels with a subscriber each; `visitors` who were there before */
  constructor (wire, port, { idle = 0, visitors = 0, ...options }) {
    this.#visitors = new Crowd(wire, port, { subscribers: visitors })
    this.#idlers = new Crowd(wire, port, { subscribers: idle, channelOf: (index) => `idle/${index}` })
    this.#flow = new Flow(wire, port, options)
  }

  async open () {
    await this.#visitors.open()
    this.#visitors.leave()
    await this.#idlers.open()
    return this.#flow.open()
  }

  run (options) {
    return this.#flow.run(options)
  }
}
