/**
 * Time, passed in wherever it matters, so that tests own it.
 */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary zero. For timers and durations. */
  now (): number
  /** Milliseconds since 1970. For people; never compared between nodes. */
  timestamp (): number
  /** Calls back once, in `ms` milliseconds. Returns the release, which may be called at any time. */
  after (ms: number, callback: () => void): () => void
}

/** The machine's clock. Its timers keep a Node process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  timestamp: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  }
}
