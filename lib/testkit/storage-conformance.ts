import { cursors } from './conformance/cursors.js'
import { feed } from './conformance/feed.js'
import { interruption } from './conformance/interruption.js'
import { makeKit, type ConformanceOptions } from './conformance/kit.js'
import { lifecycle } from './conformance/lifecycle.js'
import { log } from './conformance/log.js'
import { presence } from './conformance/presence.js'
import { presenceLists } from './conformance/presence-lists.js'
import { presenceRandom } from './conformance/presence-random.js'
import { random } from './conformance/random.js'
import { repeats } from './conformance/repeats.js'
import { retention } from './conformance/retention.js'
import { sessions } from './conformance/sessions.js'
import { shared } from './conformance/shared.js'
import { sharedPresence } from './conformance/shared-presence.js'
import { supports } from './conformance/supports.js'

export type { ConformanceOptions } from './conformance/kit.js'

/**
 * Declares the tests that every storage adapter must pass: one or more for each sentence of the contract in
 * `types/storage.ts` and `types/presence-store.ts`, and random ones against a plain reference. They use `node:assert`, so any runner does.
 *
 * ```ts
 * import { test } from 'node:test'
 * storageConformance({ test, create: () => myStorage({ clock }), advance: (ms) => clock.advance(ms) })
 * ```
 */
export function storageConformance (options: ConformanceOptions): void {
  const kit = makeKit(options)
  const parts = [lifecycle, log, repeats, retention, cursors, feed, interruption, sessions, presence, presenceLists, supports, shared, sharedPresence, random, presenceRandom]
  for (const part of parts) part(kit)
}
