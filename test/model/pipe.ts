import type { Scheduler } from './scheduler.js'

/** One direction of a connection: items come out in order, each after a latency, and not while it is stalled. */
export class Pipe<Item> {
  readonly #scheduler: Scheduler
  readonly #latency: () => number
  readonly #deliver: (item: Item) => void
  #queue: Array<{ item: Item, at: number }> = []
  #release: (() => void) | undefined
  #stalledUntil = 0
  #cut = false

  constructor (scheduler: Scheduler, latency: () => number, deliver: (item: Item) => void) {
    this.#scheduler = scheduler
    this.#latency = latency
    this.#deliver = deliver
  }

  send (item: Item): void {
    if (this.#cut) return
    this.#queue.push({ item, at: this.#scheduler.time + this.#latency() })
    if (this.#queue.length === 1) this.#arm()
  }

  /** Nothing comes out for `ms` milliseconds. Nothing is lost by that. */
  stall (ms: number): void {
    this.#stalledUntil = this.#scheduler.time + ms
    this.#arm()
  }

  /** Loses what is under way and takes nothing more. */
  cut (): void {
    this.#cut = true
    this.#queue = []
    this.#release?.()
  }

  #arm (): void {
    this.#release?.()
    const head = this.#queue[0]
    if (head === undefined || this.#cut) return
    const at = Math.max(head.at, this.#stalledUntil)
    this.#release = this.#scheduler.later(at - this.#scheduler.time, () => this.#pump())
  }

  #pump (): void {
    const head = this.#queue.shift()
    if (head === undefined) return
    this.#arm()
    this.#deliver(head.item)
  }
}
