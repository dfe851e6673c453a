/** Listeners by event: what each event carries. */
type Events = Record<string, readonly unknown[]>
type Listener<Args extends readonly unknown[]> = (...args: Args) => unknown

/**
 * Calls listeners and survives them: one that throws keeps neither the client nor the other listeners from
 * their work. What it threw goes to `onThrow`.
 */
export class Emitter<E extends Events> {
  readonly #listeners = new Map<keyof E, ReadonlyArray<Listener<never>>>()
  readonly #onThrow: (error: unknown, event: keyof E) => void

  constructor (onThrow: (error: unknown, event: keyof E) => void) {
    this.#onThrow = onThrow
  }

  /** Listens. Returns the release. */
  on<K extends keyof E> (event: K, listener: Listener<E[K]>): () => void {
    const own: Listener<E[K]> = (...args) => listener(...args) // the same function may listen twice
    this.#listeners.set(event, [...this.#of(event), own as Listener<never>])
    return () => {
      const left = this.#of(event).filter((each) => each !== (own as Listener<never>))
      if (left.length > 0) this.#listeners.set(event, left)
      else this.#listeners.delete(event)
    }
  }

  /** Whether nobody listens to anything. */
  get empty (): boolean {
    return this.#listeners.size === 0
  }

  emit<K extends keyof E> (event: K, ...args: E[K]): void {
    for (const listener of this.#of(event)) {
      try {
        const result = (listener as Listener<E[K]>)(...args)
        // An async listener must not become an unhandled rejection, which would end a Node host.
        if (isThenable(result)) result.then(undefined, (error) => this.#onThrow(error, event))
      } catch (error) {
        this.#onThrow(error, event)
      }
    }
  }

  #of (event: keyof E): ReadonlyArray<Listener<never>> {
    return this.#listeners.get(event) ?? []
  }
}

/** Whether a value can be awaited. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
