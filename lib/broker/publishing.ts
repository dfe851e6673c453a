import { hash } from 'node:crypto'
import type { ClientInfo } from '../../types/hooks.js'
import type { Publisher, QoS } from '../../types/message.js'
import type { AppendOutcome, Draft, Feed, IdKey, LogStore, PublisherKey, Recognised } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import { PushError, toPushError } from '../core/errors.js'
import type { Channel } from './channels.js'
import type { Counters } from './counters.js'
import { encodeBody, encodeData } from './encoding.js'
import type { ChannelHooks } from './hooks.js'

/** A message on its way in, from whichever door. */
export interface Publication {
  readonly channel: Channel
  readonly data: unknown
  readonly qos: QoS
  readonly id: string
  /** Whether the id is the caller's own, so that the same id may come again. */
  readonly named: boolean
  readonly ttl?: number | undefined
  readonly publisher?: Publisher | undefined
  /** How a client's resend is recognised. */
  readonly key?: PublisherKey | undefined
  /** Of the data as it came in, where hooks may have made another of it. */
  readonly fingerprint?: string
}

export interface PublishingContext {
  readonly log: LogStore
  readonly feed: Feed
  readonly clock: Clock
  readonly counters: Counters
  /** How long an id is remembered, in milliseconds. */
  readonly idWindow: number
  /** Whether even an id that nobody gave must be remembered: a caller may have to try again with it. */
  readonly rememberAll: boolean
  /** Whether the storage holds what is appended in the memory of this process, perhaps for long. */
  readonly holds: boolean
  /** A hook failed, and whoever publishes is not to blame. */
  readonly onError: (error: unknown) => void
}

/**
 * The one way in for every message: `fastify.push.publish`, HTTP and a client's frame meet here. In this order: recognise a
 * repeat; (the caller's own checks); {@link Publishing.prepare}; {@link Publishing.append}.
 */
export class Publishing {
  readonly #context: PublishingContext

  constructor (context: PublishingContext) {
    this.#context = context
  }

  /** Whether a message is a repeat, before anything else is asked of it. `null`: it is new. */
  async recognise (publication: Publication): Promise<Recognised | null> {
    const { key } = publication
    const id = this.#idKey(publication)
    if (key === undefined && id === undefined) return null
    const found = await this.#context.log.recognise(publication.channel.name, keys(key, id))
    if (found !== null) this.#count([found])
    return found
  }

  /**
   * Validates a message by its channel's schema, shows it to the hooks, and encodes it. Returns at once where there are no hooks. `client`: who publishes; `null`: the server.
   * Throws or rejects with `PUSH_INVALID`, with what a hook refuses with, with `PUSH_INTERNAL` if what a hook made of the data is wrong, and as {@link Publishing.draft}.
   */
  prepare (publication: Publication, client: ClientInfo | null): Draft | Promise<Draft> {
    const { schema, hooks } = publication.channel.rules
    schema?.assert(publication.data ?? null)
    return hooks.publish === null ? this.draft(publication) : this.#hooked(publication, client, hooks.publish)
  }

  async #hooked (publication: Publication, client: ClientInfo | null, hook: NonNullable<ChannelHooks['publish']>): Promise<Draft> {
    const { channel: { name, params, rules }, id, qos } = publication
    const key = this.#idKey(publication) // before a hook can change the data
    const data = await hook({ channel: name, params, data: publication.data ?? null, id, qos, client })
    try {
      rules.schema?.assert(data)
    } catch (error) {
      throw this.#hookFailed(error)
    }
    try {
      return this.draft(key === undefined ? { ...publication, data } : { ...publication, data, fingerprint: key.fingerprint })
    } catch (error) {
      throw data === (publication.data ?? null) ? error : this.#hookFailed(error)
    }
  }

  // What a hook made of the data is no fault of the publisher's.
  #hookFailed (error: unknown): unknown {
    if (toPushError(error, 'PUSH_INTERNAL').code !== 'PUSH_INVALID') return error
    this.#context.onError(error)
    return new PushError('PUSH_INTERNAL', undefined, { cause: error })
  }

  /** Encodes a message. Throws `PUSH_INVALID` for data that JSON cannot say, `PUSH_STORAGE_FULL` for more than its channel ever keeps. */
  draft (publication: Publication): Draft {
    const { channel, id, qos, data, publisher, ttl, key } = publication
    const json = jsonOf(data)
    const body = encodeBody(id, qos, this.#context.clock.timestamp(), publisher, json, this.#context.holds && (qos > 0 || channel.rules.history))
    if (body.byteLength > channel.rules.retention.bytes) throw new PushError('PUSH_STORAGE_FULL', 'larger than all that the channel keeps')
    const draft: { -readonly [Part in keyof Draft]: Draft[Part] } = { body, qos }
    const idKey = this.#idKey(publication, json)
    if (ttl !== undefined) draft.ttl = ttl
    if (key !== undefined) draft.publisher = key
    if (idKey !== undefined) draft.id = idKey
    return draft
  }

  /** Appends drafts of one channel, in order, in one step. Rejects with a PushError of the storage. */
  append (channel: Channel, drafts: readonly Draft[]): Promise<readonly AppendOutcome[]> {
    return this.#context.log.append(channel.name, drafts, channel.rules.retention).then((outcomes) => {
      this.#count(outcomes)
      return outcomes
    })
  }

  /** Sends a message that is not stored to whoever listens now: at QoS 0, where the channel keeps no history. */
  broadcast (channel: Channel, draft: Draft): Promise<void> {
    return this.#context.feed.broadcast(channel.name, [draft.body])
  }

  // An id that nobody gave matters where its message may have to be published again under it: after an unknown outcome, exactly once.
  #idKey ({ named, id, data, qos, key, fingerprint }: Publication, json?: string): IdKey | undefined {
    const mayComeAgain = named || this.#context.rememberAll || (key !== undefined && qos === 2)
    if (!mayComeAgain) return undefined
    return { id, fingerprint: fingerprint ?? fingerprintOf(json ?? jsonOf(data)), ttl: this.#context.idWindow, fresh: !named }
  }

  #count (outcomes: readonly AppendOutcome[]): void {
    const { counters } = this.#context
    for (const { status } of outcomes) {
      if (status === 'stored') counters.stored++
      else if (status === 'duplicate') counters.duplicates++
    }
  }
}

function keys (publisher: PublisherKey | undefined, id: IdKey | undefined): { publisher?: PublisherKey, id?: IdKey } {
  return { ...(publisher === undefined ? {} : { publisher }), ...(id === undefined ? {} : { id }) }
}

// Bodies are compared as they came in, before hooks; 128 bits are plenty to tell two of them apart.
const fingerprintOf = (json: string): string => hash('sha256', json, 'base64url').slice(0, 22)

function jsonOf (data: unknown): string {
  try {
    return encodeData(data)
  } catch (error) {
    throw new PushError('PUSH_INVALID', 'the data cannot be written as JSON', { cause: error })
  }
}
