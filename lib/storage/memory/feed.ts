import type { Clock } from '../../core/clock.js'
import type { Feed, FeedBatch, FeedListener } from '../../../types/storage.js'
import type { Channels, Joined } from './channels.js'
import { Teller } from '../teller.js'
import type { Lifecycle } from '../lifecycle.js'

/** The feed within one process: told within the append itself, so nothing is lost, repeated or reordered. */
export class MemoryFeed implements Feed {
  readonly #lifecycle: Lifecycle
  readonly #clock: Clock
  readonly #channels: Channels
  readonly #teller: Teller

  constructor (lifecycle: Lifecycle, clock: Clock, channels: Channels) {
    this.#lifecycle = lifecycle
    this.#clock = clock
    this.#channels = channels
    this.#teller = new Teller((error) => lifecycle.report(error))
  }

  async join (name: string, listener: FeedListener): Promise<() => Promise<void>> {
    this.#lifecycle.assertOpen()
    const channel = this.#channels.obtain(name, this.#clock.now())
    const listeners = channel.listeners ??= new Set()
    const joined: Joined = { listener } // its own object: the same listener may join twice
    listeners.add(joined)
    return async () => {
      if (listeners.delete(joined)) channel.usedAt = this.#clock.now()
    }
  }

  async broadcast (name: string, bodies: readonly Uint8Array[]): Promise<void> {
    this.#lifecycle.assertOpen()
    const listeners = this.#channels.find(name)?.listeners
    if (listeners !== undefined) this.#teller.tell(listeners, ({ listener }) => listener.volatile(bodies))
  }

  /** Tells everyone who listens to the channel of an append. Never throws. */
  announce (name: string, batch: FeedBatch): void {
    const listeners = this.#channels.find(name)?.listeners
    if (listeners !== undefined) this.#teller.tell(listeners, ({ listener }) => listener.records(batch))
  }
}
