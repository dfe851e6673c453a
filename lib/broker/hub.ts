import type { Feed, LogState, LogStore } from '../../types/storage.js'
import type { Clock } from '../core/clock.js'
import type { Counters } from './counters.js'
import { Topic } from './topic.js'

/** Pause before the head is asked for again, in milliseconds. */
const HEAD_RETRY = 500

export interface HubContext {
  readonly feed: Feed
  readonly log: LogStore
  readonly clock: Clock
  readonly counters: Counters
  /** Runs a callback at the end of this tick. */
  readonly defer: (callback: () => void) => void
  readonly onError: (error: unknown) => void
}

interface Entry {
  readonly topic: Topic
  readonly joined: Promise<() => Promise<void>>
  users: number
}

/** Who on this node follows which channel. A channel's feed is joined with the first follower and left with the last. */
export class Hub {
  readonly #context: HubContext
  readonly #entries = new Map<string, Entry>()
  #dirty: Topic[] = []

  constructor (context: HubContext) {
    this.#context = context
  }

  /** Channels somebody follows. */
  get size (): number {
    return this.#entries.size
  }

  /** The topic of a channel somebody follows. */
  find (channel: string): Topic | undefined {
    return this.#entries.get(channel)?.topic
  }

  /** Follows a channel: once resolved, its feed has been joined. Returns the topic and the release. */
  async join (channel: string): Promise<{ topic: Topic, release: () => void }> {
    let entry = this.#entries.get(channel)
    if (entry === undefined) this.#entries.set(channel, entry = this.#open(channel))
    entry.users++
    const { topic, joined } = entry
    let held = true
    const release = () => {
      if (held) this.#leave(channel, entry)
      held = false
    }
    try {
      await joined
    } catch (error) {
      release()
      throw error
    }
    return { topic, release }
  }

  #open (channel: string): Entry {
    const topic = new Topic(channel, this.#context.counters, (dirty) => this.#schedule(dirty), (lost) => this.#tellHead(lost))
    return { topic, joined: this.#context.feed.join(channel, topic), users: 0 }
  }

  #leave (channel: string, entry: Entry): void {
    if (--entry.users > 0) return
    // Whoever comes next joins anew and reads the head, so nothing needs to be remembered here.
    if (this.#entries.get(channel) === entry) this.#entries.delete(channel)
    entry.joined.then((leave) => leave()).catch(this.#context.onError)
  }

  #schedule (topic: Topic): void {
    if (this.#dirty.push(topic) > 1) return
    this.#context.defer(() => {
      const dirty = this.#dirty
      this.#dirty = []
      for (const each of dirty) this.#guard(() => each.endTick())
    })
  }

  // One topic's trouble is not the others'.
  #guard (work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#context.onError(error)
    }
  }

  // After an interruption of the feed every cursor is told the head.
  #tellHead (topic: Topic): void {
    const ask = async (): Promise<void> => {
      if (this.find(topic.channel) !== topic) return
      let state: LogState
      try {
        state = await this.#context.log.read(topic.channel, { from: 1, limit: 0, bytes: 0 })
      } catch (error) {
        this.#context.onError(error)
        this.#context.clock.after(HEAD_RETRY, () => { ask().catch(this.#context.onError) })
        return
      }
      topic.hearHead(state.epoch, state.head)
      for (const subscription of topic.subscriptions) subscription.hearHead(state)
    }
    ask().catch(this.#context.onError)
  }
}
