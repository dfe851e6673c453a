import type { Position } from '../../types/message.js'
import type { PublishOptions, PublishResult, Receipt, ReceiptOptions, SendOptions } from '../../types/push.js'
import type { AppendOutcome, Draft, Recognised } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import { parseDuration } from '../core/duration.js'
import { PushError, toPushError } from '../core/errors.js'
import type { Channel, Channels } from './channels.js'
import type { Hub } from './hub.js'
import { InOrder } from './in-order.js'
import { ANY_INBOX, INBOX } from './own-channels.js'
import type { Publication, Publishing } from './publishing.js'
import { messageId } from './random-id.js'
import type { Subscription } from './subscription.js'

export interface ServerPublishContext {
  readonly channels: Channels
  readonly hub: Hub
  readonly publishing: Publishing
  readonly clock: Clock
  /** What `wait: 'accepted'` may leave waiting. */
  readonly accepted: { readonly messages: number, readonly bytes: number }
  /** See `Push.receipt`. */
  readonly receipt: (channel: Channel, position: Position | null, options?: ReceiptOptions) => Promise<Receipt>
  /** A message was stored in an inbox. */
  readonly onSent: (channel: Channel, position: Position, draft: Draft) => void
  /** A failure that perhaps nobody handles. */
  readonly onFailure: (error: PushError, channel: string) => void
}

const NO_OPTIONS: PublishOptions = {}

/** `fastify.push.publish`: the server's own door, trusted, with its three ways to wait. */
export class ServerPublish {
  readonly #context: ServerPublishContext
  /** What `accepted` left waiting, and how many of those failed. */
  waiting = 0
  failed = 0
  #waitingBytes = 0
  readonly #hooked = new InOrder()

  constructor (context: ServerPublishContext) {
    this.#context = context
  }

  /** See `Push.publish`. Never an unhandled rejection. */
  publish (channel: string, data: unknown, options?: PublishOptions): Promise<PublishResult> {
    return this.#guarded(channel, () => this.#context.channels.find(channel), data, options)
  }

  /** See `Push.send`. Never an unhandled rejection. */
  send (userId: string, data: unknown, options?: SendOptions): Promise<PublishResult> {
    const deliver = options?.deliver
    return this.#guarded(deliver === 'any' ? ANY_INBOX : INBOX, () => this.#context.channels.inbox(userId, deliver), data, options)
  }

  // As few promises as it takes: many publishes may be under way, and what each of them needs lives until the storage has answered.
  #guarded (name: string, find: () => Channel, data: unknown, options: PublishOptions = NO_OPTIONS): Promise<PublishResult> {
    const id = options.id ?? messageId()
    const failed = (error: unknown): never => {
      const known = withId(error, id)
      result.catch(() => {}) // perhaps nobody else does
      this.#context.onFailure(known, name)
      throw known
    }
    const result = this.#begin(find, data, options, id).catch(failed)
    return result
  }

  #begin (find: () => Channel, data: unknown, options: PublishOptions, id: string): Promise<PublishResult> {
    try {
      const publication = this.#read(find(), data, options, id)
      const prepared = this.#prepare(publication)
      const { wait = 'stored', receipt = false, timeout } = options
      if (wait === 'stored' && !receipt && timeout === undefined && !(prepared instanceof Promise) && !('status' in prepared)) return this.#store(publication, prepared)
      return this.#publish(publication, prepared, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #publish (publication: Publication, preparing: Draft | Recognised | Promise<Draft | Recognised>, options: PublishOptions): Promise<PublishResult> {
    const { wait = 'stored', timeout = '5s', receipt = false } = options
    const { channel, id } = publication
    const limit = parseTime(timeout, 'timeout')
    const prepared = preparing instanceof Promise ? await preparing : preparing
    if (wait === 'accepted' && !('status' in prepared)) return this.#accept(publication, prepared)
    const stored = 'status' in prepared ? resultOf(id, prepared) : await this.#store(publication, prepared)
    const result = receipt ? { ...stored, receipt: (page?: ReceiptOptions) => this.#context.receipt(channel, stored.position, page) } : stored
    if ('status' in prepared || wait !== 'delivered' || result.position === null) return result
    return this.#delivered(channel.name, result, result.position, limit)
  }

  #read (channel: Channel, data: unknown, { qos, ttl, wait, id: named, receipt }: PublishOptions, id: string): Publication {
    if (receipt && wait === 'accepted') throw new PushError('PUSH_INVALID', "a receipt needs a place in the log: wait for 'stored'")
    if (qos !== undefined && qos !== 0 && qos !== 1 && qos !== 2) throw new PushError('PUSH_INVALID', 'qos must be 0, 1 or 2')
    if (wait !== undefined && wait !== 'accepted' && wait !== 'stored' && wait !== 'delivered') throw new PushError('PUSH_INVALID', "wait must be 'accepted', 'stored' or 'delivered'")
    if (typeof id !== 'string' || id.length === 0 || id.length > 128) throw new PushError('PUSH_INVALID', 'id must be a string of 1 to 128 characters')
    return { channel, data, qos: qos ?? channel.rules.qos, id, named: named !== undefined, ttl: ttl === undefined ? undefined : parseTime(ttl, 'ttl') }
  }

  // Calls of one turn are stored in their order. Without hooks nothing is awaited before the append, which recognises a repeat itself.
  #prepare (publication: Publication): Draft | Promise<Draft | Recognised> {
    const { channel, named } = publication
    const { schema, hooks } = channel.rules
    if (hooks.publish !== null) return this.#hooked.pass(channel.name, this.#vet(publication))
    try {
      return this.#context.publishing.prepare(publication, null)
    } catch (error) {
      // What was stored before the schema was narrowed is a repeat none the less.
      if (schema === null || !named) throw error
      return this.#vet(publication)
    }
  }

  async #vet (publication: Publication): Promise<Draft | Recognised> {
    const { publishing } = this.#context
    const known = publication.named ? await publishing.recognise(publication) : null
    return known ?? publishing.prepare(publication, null)
  }

  #store (publication: Publication, draft: Draft): Promise<PublishResult> {
    const { publishing } = this.#context
    const { channel, id, qos } = publication
    if (qos > 0 || channel.rules.history) return publishing.append(channel, [draft]).then(([outcome]) => this.#stored(publication, draft, outcome))
    return publishing.broadcast(channel, draft).then(() => resultOf(id, null))
  }

  #stored ({ channel, id, qos }: Publication, draft: Draft, outcome: AppendOutcome | undefined): PublishResult {
    if (outcome === undefined && qos > 0) throw new PushError('PUSH_INTERNAL', `no outcome for ${channel.name}`)
    if (outcome?.status === 'stored' && channel.kind === 'inbox') this.#context.onSent(channel, outcome.position, draft)
    return resultOf(id, outcome ?? null)
  }

  // Validated and encoded now, stored soon.
  #accept (publication: Publication, draft: Draft): PublishResult {
    const { accepted, onFailure } = this.#context
    const bytes = draft.body.byteLength
    if (this.waiting >= accepted.messages || this.#waitingBytes + bytes > accepted.bytes) throw new PushError('PUSH_BUSY')
    this.waiting++
    this.#waitingBytes += bytes
    this.#store(publication, draft).catch((error: unknown) => {
      this.failed++
      onFailure(withId(error, publication.id), publication.channel.name)
    }).finally(() => {
      this.waiting--
      this.#waitingBytes -= bytes
    })
    return { id: publication.id, position: null, duplicate: false }
  }

  // Waits until everybody who follows the channel on this node now has acknowledged, left, or used up the time.
  #delivered (name: string, result: PublishResult, position: Position, timeout: number): Promise<PublishResult> {
    const pending = new Map<Subscription, () => void>()
    let acknowledged = 0
    let left = 0
    return new Promise((resolve) => {
      const end = () => {
        stop()
        for (const release of pending.values()) release()
        resolve({ ...result, delivered: { acknowledged, pending: left + pending.size } })
      }
      const stop = this.#context.clock.after(timeout, end)
      const look = (subscription: Subscription) => {
        const reached = subscription.reached(position)
        if (reached === 'pending') return
        if (reached === 'yes') acknowledged++
        else left++
        pending.get(subscription)?.()
        if (pending.delete(subscription) && pending.size === 0) end()
      }
      const following = [...this.#context.hub.find(name)?.subscriptions ?? []].filter(({ qos }) => qos > 0)
      for (const subscription of following) pending.set(subscription, subscription.onProgress(() => look(subscription)))
      for (const subscription of following) look(subscription)
      if (following.length === 0) end()
    })
  }
}

function resultOf (id: string, outcome: AppendOutcome | null): PublishResult {
  if (outcome?.status === 'conflict') throw new PushError('PUSH_ID_CONFLICT')
  return { id, position: outcome?.position ?? null, duplicate: outcome?.status === 'duplicate' }
}

function parseTime (value: number | string, what: string): number {
  try {
    return parseDuration(value, what)
  } catch (error) {
    throw new PushError('PUSH_INVALID', (error as Error).message)
  }
}

function withId (error: unknown, id: string): PushError {
  const known = toPushError(error, 'PUSH_INTERNAL')
  if (known.code === 'PUSH_STORAGE_UNKNOWN') return new PushError('PUSH_UNKNOWN', undefined, { cause: known, id })
  known.id ??= id
  return known
}
