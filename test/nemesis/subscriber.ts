import type { Client, ClientOptions, Message, Position } from '../../lib/client/index.js'
import type { Random } from '../model/random.js'
import type { Event, Payload } from './history.js'
import type { Library } from './library.js'
import { ClientProcess } from './process.js'

/** The share of messages whose handler takes a turn of the event loop. */
const SLOW = 0.03

export interface SubscriberPlan {
  readonly name: string
  readonly url: string
  readonly qos: 1 | 2
  /** Where to begin in each channel. */
  readonly begins: ReadonlyMap<string, Position>
  readonly options: ClientOptions
  readonly random: Random
}

/** An application that subscribes, over all the deaths of its process. */
export class SubscriberApp {
  readonly process: ClientProcess
  /** The highest offset it was handed, by channel. */
  readonly stands = new Map<string, number>()
  readonly #plan: SubscriberPlan
  readonly #note: (event: Event) => void

  constructor (library: Library, plan: SubscriberPlan, note: (event: Event) => void) {
    this.#plan = plan
    this.#note = note
    for (const channel of plan.begins.keys()) note({ type: 'subscribed', subscriber: plan.name, channel, qos: plan.qos })
    this.process = new ClientProcess(library, plan.url, { clientId: plan.name, ...plan.options }, {
      start: (client, alive) => this.#setUp(client, alive)
    })
  }

  /** What it misses of logs that end at `heads`, for people; empty when nothing. */
  missing (heads: ReadonlyMap<string, number>): string {
    const behind = [...heads].filter(([channel, head]) => (this.stands.get(channel) ?? 0) < head)
    const text = behind.map(([channel, head]) => `${channel} ${this.stands.get(channel) ?? 0} of ${head}`).join(', ')
    return text === '' ? '' : `${this.#plan.name} (${this.process.state}): ${text}`
  }

  kill (): void {
    const { cursors: saved } = this.process.saved
    this.process.kill()
    this.#note({ type: 'subscriber-killed', subscriber: this.#plan.name, saved })
    this.process.start()
  }

  async reload (timeout: number): Promise<void> {
    await this.process.close(timeout)
    this.process.start()
  }

  #setUp (client: Client, alive: () => boolean): void {
    const { name: subscriber, qos, begins } = this.#plan
    client.on('state', (state) => { if (state === 'live' && alive()) this.#note({ type: 'connected', subscriber }) })
    for (const [channel, from] of begins) {
      const room = client.channel<Payload>(channel)
      room.on('gap', (gap) => { if (alive()) this.#note({ type: 'gap', subscriber, ...gap }) })
      room.subscribe((message) => alive() ? this.#handle(message) : new Promise(() => {}), { qos, from })
    }
  }

  #handle ({ channel, data, position }: Message<Payload>): unknown {
    const { name: subscriber, random } = this.#plan
    if (position === null) throw new Error('a message of QoS 1 or 2 has a position')
    this.stands.set(channel, Math.max(this.stands.get(channel) ?? 0, position.offset))
    this.#note({ type: 'handed', subscriber, channel, publisher: data.publisher, number: data.number, position })
    return random.chance(SLOW) ? new Promise(setImmediate) : undefined
  }
}
