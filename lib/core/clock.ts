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

/** The longest that a timer can wait; a longer one would fire at once. */
const LONGEST = 2 ** 31 - 1

/** The machine's clock. Its timers keep a Node process alive, and wait 24 days at the most. */
export const systemClock: Clock = {
  now: () => performance.now(),
  timestamp: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, Math.min(ms, LONGEST))
    return () => clearTimeout(timer)
  }
}

/** The same, but its timers let a Node process end. */
export const quietClock: Clock = {
  ...systemClock,
  after: (ms, callback) => {
    const timer: unknown = setTimeout(callback, Math.min(ms, LONGEST))
    ;(timer as { unref? (): void }).unref?.()
    return () => clearTimeout(timer as Parameters<typeof clearTimeout>[0])
  }
}
