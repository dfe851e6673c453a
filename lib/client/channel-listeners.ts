import type { ChannelEvents } from './channel.js'
import { Emitter } from './emitter.js'

/** Who listens to what channels tell; nothing is kept of a channel that nobody listens to. */
export class ChannelListeners {
  readonly #onThrow: (error: unknown) => void
  readonly #emitters = new Map<string, Emitter<ChannelEvents>>()

  constructor (onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow
  }

  /** Listens. Returns the release. */
  on<E extends keyof ChannelEvents> (channel: string, event: E, listener: (...args: ChannelEvents[E]) => unknown): () => void {
    const emitter = this.#emitters.get(channel) ?? new Emitter<ChannelEvents>(this.#onThrow)
    this.#emitters.set(channel, emitter)
    const off = emitter.on(event, listener)
    return () => {
      off()
      if (emitter.empty && this.#emitters.get(channel) === emitter) this.#emitters.delete(channel)
    }
  }

  emit<E extends keyof ChannelEvents> (channel: string, event: E, ...args: ChannelEvents[E]): void {
    this.#emitters.get(channel)?.emit(event, ...args)
  }
}
