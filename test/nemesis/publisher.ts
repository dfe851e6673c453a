import type { Client, ClientOptions } from '../../lib/client/index.js'
import type { Random } from '../model/random.js'
import type { Event, Numbered } from './history.js'
import type { Library } from './library.js'
import { ClientProcess } from './process.js'

/** Publishes without an answer that one publisher has at the most. */
const WINDOW = 64
/** An id that another message has in every channel: who publishes under it is refused. */
export const TAKEN = 'taken'
/** The share of publishes that are to be refused. */
const REFUSED = 0.025

export interface PublisherPlan {
  readonly name: string
  readonly url: string
  readonly qos: 1 | 2
  readonly channels: readonly string[]
  /** So many that are not to be refused. */
  readonly messages: number
  /** So many of them at first; `allow` lets it go on. Default: all. */
  readonly allowed?: number
  readonly options: ClientOptions
  readonly random: Random
}

/** An application that publishes, over all the deaths of its process. */
export class PublisherApp {
  readonly process: ClientProcess
  /** Resolves when every publish has ended, in one way or another. */
  readonly done: Promise<void>
  readonly #plan: PublisherPlan
  readonly #note: (event: Event) => void
  readonly #progress: () => void
  readonly #numbers = new Map<string, number>()
  #outstanding = new Set<Numbered>()
  #left: number
  /** So many it may have begun, of those that are not to be refused. */
  #allowed: number
  #client: Client | null = null
  #end = (): void => {}
  #goOn = (): void => {}

  constructor (library: Library, plan: PublisherPlan, note: (event: Event) => void, progress: () => void) {
    this.#plan = plan
    this.#note = note
    this.#progress = progress
    this.#left = plan.messages
    this.#allowed = plan.allowed ?? plan.messages
    this.done = new Promise((resolve) => { this.#end = resolve })
    this.process = new ClientProcess(library, plan.url, { clientId: plan.name, ...plan.options }, {
      start: (client, alive) => {
        this.#client = client
        this.#goOn = () => this.#pump(client, alive)
        this.#goOn()
      }
    })
  }

  get describe (): string {
    return `${this.#plan.name} (${this.process.state}): ${this.#left} to publish, ${this.#outstanding.size} without an answer`
  }

  /** Lets it publish so many more. */
  allow (messages: number): void {
    this.#allowed += messages
    this.#goOn()
  }

  kill (): void {
    this.#client = null
    this.process.kill()
    this.#note({ type: 'publisher-killed', publisher: this.#plan.name })
    for (const message of this.#outstanding) this.#note({ type: 'unknown', ...message })
    this.#outstanding = new Set()
    this.process.start()
  }

  async reload (timeout: number): Promise<void> {
    this.#client = null
    await this.process.close(timeout)
    this.process.start()
  }

  #pump (client: Client, alive: () => boolean): void {
    const { messages } = this.#plan
    while (this.#client === client && this.#left > 0 && messages - this.#left < this.#allowed && this.#outstanding.size < WINDOW) this.#publish(client, alive)
    if (this.#left === 0 && this.#outstanding.size === 0) this.#end()
  }

  #publish (client: Client, alive: () => boolean): void {
    const { name: publisher, qos, channels, random } = this.#plan
    const channel = random.pick(channels)
    const number = (this.#numbers.get(channel) ?? 0) + 1
    const message = { publisher, channel, number }
    const isRefused = random.chance(REFUSED)
    this.#numbers.set(channel, number)
    if (!isRefused) this.#left--
    this.#outstanding.add(message)
    this.#note({ type: 'invoke', ...message, qos })
    const settle = (event: Event): void => {
      if (!alive()) return // the dead do not learn how it ended
      this.#outstanding.delete(message)
      this.#note(event)
      this.#progress()
      this.#pump(client, alive)
    }
    client.channel(channel).publish({ publisher, number }, { qos, ...(isRefused ? { id: TAKEN } : {}) }).then(
      ({ position }) => settle({ type: 'ok', ...message, position }),
      (error: { code: string }) => settle({ type: error.code === 'PUSH_UNKNOWN' ? 'unknown' : 'refused', ...message }))
  }
}
