import { cursors } from './conformance/cursors.js'
import { feed } from './conformance/feed.js'
import { makeKit, type ConformanceOptions } from './conformance/kit.js'
import { lifecycle } from './conformance/lifecycle.js'
import { log } from './conformance/log.js'
import { presence } from './conformance/presence.js'
import { random } from './conformance/random.js'
import { repeats } from './conformance/repeats.js'
import { retention } from './conformance/retention.js'
import { sessions } from './conformance/sessions.js'
import { supports } from './conformance/supports.js'

export type { ConformanceOptions } from './conformance/kit.js'

/**
 * Declares the tests that every storage adapter must pass: one or more for each sentence of the contract in
 * `types/storage.ts`, and random ones against a plain reference. They use `node:assert`, so any runner does.
 *
 * ```ts
 * import { test } from 'node:test'
 * storageConformance({ test, create: () => myStorage({ clock }), advance: (ms) => clock.advance(ms) })
 * ```
 */
export function storageConformance (options: ConformanceOptions): void {
  const kit = makeKit(options)
  for (const part of [lifecycle, log, repeats, retention, cursors, feed, sessions, presence, supports, random]) part(kit)
}
