/** A channel with records that have come, or a connection with frames to write. */
export interface Ending {
  /** Called by the {@link Tick} it was given to. `last`: nothing more comes in this tick, for anybody. */
  endTick (last: boolean): void
}

/**
 * What is done once at the end of a tick: first every channel puts what has come into one buffer and hands it to its connections, then every
 * connection writes what it was handed. So a connection makes one write a tick, however many channels it follows and answers it is owed.
 */
export class Tick {
  readonly #defer: (callback: () => void) => void
  readonly #onError: (error: unknown) => void
  #channels: Ending[] = []
  #connections: Ending[] = []
  #scheduled = false

  /** `defer` runs a callback at the end of the tick. */
  constructor (defer: (callback: () => void) => void, onError: (error: unknown) => void) {
    this.#defer = defer
    this.#onError = onError
  }

  /** A channel has something to hand on. To be called once until its `endTick`. */
  channel (channel: Ending): void {
    this.#channels.push(channel)
    this.#schedule()
  }

  /** A connection has something to write. To be called once until its `endTick`. */
  connection (connection: Ending): void {
    this.#connections.push(connection)
    this.#schedule()
  }

  #schedule (): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#defer(() => this.#end())
  }

  #end (): void {
    const channels = this.#channels
    this.#channels = []
    for (let i = 0; i < channels.length; i++) this.#guard(channels[i] as Ending, i === channels.length - 1)
    const connections = this.#connections
    this.#connections = []
    this.#scheduled = false
    for (const connection of connections) this.#guard(connection, true)
    if (this.#channels.length > 0) this.#schedule()
  }

  // One's trouble is not the others'.
  #guard (ending: Ending, last: boolean): void {
    try {
      ending.endTick(last)
    } catch (error) {
      this.#onError(error)
    }
  }
}
