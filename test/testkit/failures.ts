import { ManualClock, storageConformance, type ConformanceOptions } from '../../lib/testkit/index.js'
import type { StorageAdapter } from '../../types/storage.js'

/** The names of the tests of the kit, but for the random ones, that are declared with these options. */
export function declared (more: Partial<ConformanceOptions> = {}): string[] {
  const names: string[] = []
  storageConformance({ test: (name) => names.push(name), create: () => { throw new Error('not run') }, advance: () => {}, ...more })
  return names.filter((name) => !name.startsWith('random:'))
}

/** Runs the tests of the kit whose name begins with one of `parts`. Returns the names of those that failed. */
export async function failures (parts: readonly string[], create: (clock: ManualClock) => StorageAdapter, more: Partial<ConformanceOptions> = {}): Promise<string[]> {
  const clock = new ManualClock()
  const tests: Array<[name: string, body: () => Promise<void>]> = []
  storageConformance({
    test: (name, body) => tests.push([name, body]),
    create: () => create(clock),
    advance: (ms) => clock.advance(ms),
    seed: 1,
    patience: 20,
    ...more
  })
  const failed: string[] = []
  for (const [name, body] of tests) {
    if (!parts.some((part) => name.startsWith(`${part}:`))) continue
    await body().catch(() => failed.push(name))
  }
  return failed
}
