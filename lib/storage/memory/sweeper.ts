import type { Clock } from '../../core/clock.js'

/** How often the sweep goes on, in milliseconds. */
const INTERVAL = 1000

/** How many items it looks at each time: a few milliseconds of work. */
const STEPS = 10_000

/**
 * Works through rounds of small steps, a bounded number each second, on one timer. Returns the release.
 */
export function startSweeper (clock: Clock, round: () => Iterator<void>): () => void {
  let current = round()
  let release: () => void
  const go = (): void => {
    for (let i = 0; i < STEPS; i++) {
      if (current.next().done === true) {
        current = round()
        break
      }
    }
    release = clock.after(INTERVAL, go)
  }
  release = clock.after(INTERVAL, go)
  return () => release()
}
