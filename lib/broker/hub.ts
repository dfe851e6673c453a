import type { Feed, LogState, LogStore } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import { AtOnce } from './at-once.js'
import type { Channel } from './channels.js'
import type { Counters } from './counters.js'
import { StateReads } from './state-reads.js'
import type { Pages } from './pages.js'
import type { Tick } from './tick.js'
import { Topic, type Run, type TopicOwner } from './topic.js'

/** Heads that are asked for at once: an interruption may well be one of all feeds, and publishes go on beside it. */
const HEADS = 500

/** Pause before the head is asked for again, in milliseconds: at least, and how much longer the next one's is, up to twice as long. */
const HEAD_RETRY = 500
const HEAD_RETRY_SPREAD = 309

export interface HubContext {
  readonly feed: Feed
  readonly log: LogStore
  readonly clock: Clock
  readonly counters: Counters
  readonly tick: Tick
  /** Where what was announced is kept for those who could not take it at once. `null` where the log itself is as near. */
  readonly pages: Pages | null
  readonly onError: (error: unknown) => void
}

/** Who on this node follows which channel. A channel's feed is joined with the first follower and left with the last. */
export class Hub implements TopicOwner {
  readonly #context: HubContext
  readonly #topics = new Map<string, Topic>()
  /** Topics whose head is being asked for, and whether their feeds were interrupted since. */
  readonly #interrupted = new Map<Topic, boolean>()
  readonly #asking = new AtOnce(HEADS)
  #retries = 0

  constructor (context: HubContext) {
    this.#context = context
  }

  /** Channels somebody follows. */
  get size (): number {
    return this.#topics.size
  }

  /** The topic of a channel somebody follows. */
  find (channel: string): Topic | undefined {
    return this.#topics.get(channel)
  }

  /** Follows a channel: once resolved, its feed has been joined. Whoever joined calls {@link Hub.leave} once, or has a subscription of the topic do so. */
  async join (channel: Pick<Channel, 'name' | 'wire' | 'rules'>): Promise<Topic> {
    let topic = this.#topics.get(channel.name)
    if (topic === undefined) this.#topics.set(channel.name, topic = this.#open(channel))
    topic.users++
    try {
      await topic.joined
    } catch (error) {
      this.leave(topic)
      throw error
    }
    return topic
  }

  /** Follows a channel no more. */
  leave (topic: Topic): void {
    if (--topic.users > 0) return
    // Whoever comes next joins anew and reads the head, so nothing needs to be remembered here.
    if (this.#topics.get(topic.channel) === topic) this.#topics.delete(topic.channel)
    topic.joined.then((leave) => leave()).catch(this.#context.onError)
  }

  #open (channel: Pick<Channel, 'name' | 'wire' | 'rules'>): Topic {
    const { feed, log, clock, counters, tick } = this.#context
    const topic = new Topic(channel, new StateReads(log, clock, channel.name), counters, tick, this)
    topic.joined = feed.join(channel.name, topic)
    return topic
  }

  missed ({ channel, wire }: Topic, { epoch, from, records }: Run): void {
    this.#context.pages?.keep(channel, wire, epoch, from, records)
  }

  /** After an interruption of the feed every cursor is told the head. */
  interrupted (topic: Topic): void {
    const isAsked = this.#interrupted.has(topic)
    this.#interrupted.set(topic, true)
    if (!isAsked) this.#tellHead(topic).catch(this.#context.onError)
  }

  async #tellHead (topic: Topic): Promise<void> {
    try {
      while (this.#interrupted.get(topic) === true && this.find(topic.channel) === topic) {
        const known = topic.newest?.epoch
        const state = await this.#asking.run(() => this.#readHead(topic))
        if (state === null) {
          await this.#pause()
          continue
        }
        // Another log was heard of while this one was read.
        if (topic.newest?.epoch !== known && topic.newest?.epoch !== state.epoch) {
          this.#interrupted.set(topic, true)
          continue
        }
        topic.hearHead(state.epoch, state.head)
        for (const subscription of topic.subscriptions) subscription.hearHead(state)
      }
    } finally {
      this.#interrupted.delete(topic)
    }
  }

  // `null` where it could not be read: it is to be asked for again.
  async #readHead (topic: Topic): Promise<LogState | null> {
    const { log, onError } = this.#context
    // What is read before another interruption may miss what comes meanwhile, so it is asked once more.
    this.#interrupted.set(topic, false)
    try {
      return await log.read(topic.channel, { from: 1, limit: 0, bytes: 0 })
    } catch (error) {
      onError(error)
      this.#interrupted.set(topic, true)
      return null
    }
  }

  // Those that failed together do not come back together.
  #pause (): Promise<void> {
    const ms = HEAD_RETRY + (this.#retries++ * HEAD_RETRY_SPREAD) % HEAD_RETRY
    return new Promise((resolve) => { this.#context.clock.after(ms, resolve) })
  }
}
