import { setTimeout as sleep } from 'node:timers/promises'
import type { Position } from '../../../types/message.js'
import { NodeError } from '../../helpers/redis-node.js'
import type { Random } from '../../model/random.js'
import type { Event, Numbered } from '../history.js'
import type { Fleet, Member } from './fleet.js'

/** Milliseconds after which a node that does not answer is asked no longer: its process may be stopped. */
const PATIENCE = 1_500
/** Attempts before a message is given up. */
const ATTEMPTS = 30

interface NodePublisherPlan {
  readonly name: string
  /** Whether it gives each message an id. Otherwise the node makes one, which the error says. */
  readonly givesIds: boolean
  readonly channels: readonly string[]
  readonly random: Random
}

/** An application that publishes by nodes' own `publish`, one message after the other, each under an id: what is unknown is tried again under it, on any node. */
export class NodePublisher {
  readonly #fleet: Fleet
  readonly #plan: NodePublisherPlan
  readonly #note: (event: Event) => void
  readonly #numbers = new Map<string, number>()
  #work: Promise<void> = Promise.resolve()
  #left = 0

  constructor (fleet: Fleet, plan: NodePublisherPlan, note: (event: Event) => void) {
    this.#fleet = fleet
    this.#plan = plan
    this.#note = note
  }

  get describe (): string {
    return `${this.#plan.name}: ${this.#left} to publish`
  }

  /** When all that it was let has ended. */
  get done (): Promise<void> {
    return this.#work
  }

  /** Lets it publish so many more. */
  allow (messages: number): void {
    const { channels, random } = this.#plan
    this.#left += messages
    for (let i = 0; i < messages; i++) {
      this.#work = this.#work.then(async () => {
        await this.#publish(random.pick(channels), () => this.#fleet.pick(random), ATTEMPTS)
        this.#left--
      })
    }
  }

  /** Publishes one by a node, as often as it takes. Resolves with its number. */
  async last (channel: string, member: Member): Promise<Numbered> {
    return await this.#publish(channel, () => member, Infinity)
  }

  async #publish (channel: string, pick: () => Member, attempts: number): Promise<Numbered> {
    const { name: publisher, random, givesIds } = this.#plan
    const number = (this.#numbers.get(channel) ?? 0) + 1
    this.#numbers.set(channel, number)
    const message = { publisher, channel, number }
    const qos = random.pick([1, 2] as const)
    this.#note({ type: 'invoke', ...message, qos })
    let isUnknown = false
    let id = givesIds ? `${publisher}-${number}` : undefined
    for (let tries = 1; tries <= attempts; tries++) {
      if (tries > 1) await sleep(Math.min(25 * tries, 250))
      const outcome = await attempt(pick(), message, { qos, id })
      if ('position' in outcome) {
        this.#note({ type: 'ok', ...message, position: outcome.position })
        return message
      }
      isUnknown ||= outcome.isUnknown
      id ??= outcome.id
      if (isUnknown && id === undefined) break // its node has not said the id
    }
    this.#note(isUnknown ? { type: 'unknown', ...message, late: true } : { type: 'refused', ...message })
    return message
  }
}

type Outcome = { readonly position: Position | null } | { readonly isUnknown: boolean, readonly id?: string | undefined }

async function attempt (member: Member, { publisher, channel, number }: Numbered, { qos, id }: { qos: 1 | 2, id: string | undefined }): Promise<Outcome> {
  const work = member.call<{ position: Position | null }>('publish', channel, { publisher, number }, { qos, ...(id === undefined ? {} : { id }) })
  work.catch(() => {}) // it may be told after nobody asks any longer
  const timer = new AbortController()
  const late = sleep(PATIENCE, { isUnknown: true }, { signal: timer.signal }).catch(() => ({ isUnknown: true }))
  try {
    return await Promise.race([work, late])
  } catch (error) {
    return error instanceof NodeError ? { isUnknown: /UNKNOWN/.test(error.code), id: error.id } : { isUnknown: true }
  } finally {
    timer.abort()
  }
}
