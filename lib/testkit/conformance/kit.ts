import assert from 'node:assert/strict'
import { PushError } from '../../core/errors.js'
import type { Code } from '../../protocol/codes.js'
import type { AppendOutcome, Draft, DraftKey, FeedBatch, FeedListener, Page, Retention, StorageAdapter, StoredRecord } from '../../../types/storage.js'
import { RealTime } from './real-time.js'
import { LONG, PATIENT } from './spans.js'

export { HALF, LONG, PAST, TTL } from './spans.js'

/** How the conformance kit gets at an adapter and at its time. */
export interface ConformanceOptions {
  /** Declares a test, as tap's and node:test's `test` do: it fails if `body` rejects. */
  readonly test: (name: string, body: () => Promise<void>) => unknown
  /** A fresh adapter with no data, not opened. Called once or twice for each test, and again where a test is run again. */
  readonly create: () => StorageAdapter | Promise<StorageAdapter>
  /**
   * Lets so many milliseconds of the adapter's time pass. Left out, its time is real, and is waited for: most of the time all tests together take, so let many run side by side. A
   * test that failed when the machine was so slow that more time passed than it meant to is then run again.
   */
  readonly advance?: (ms: number) => void | Promise<void>
  /** Hears why a test is run again. */
  readonly onAgain?: (name: string, error: Error) => void
  /** Another adapter, not opened, on the same data. Needed where `supports` says `shared` or `durable`. */
  readonly createPeer?: (adapter: StorageAdapter) => StorageAdapter | Promise<StorageAdapter>
  /**
   * Breaks the way on which announcements reach an open adapter, as the network would, and lets it be mended: the connection is cut, say. Left out,
   * what the feed and the sessions promise of interruptions is not tested.
   */
  readonly interrupt?: (adapter: StorageAdapter) => void | Promise<void>
  /** Replays the random tests of an earlier run. */
  readonly seed?: number
  /** How long to wait for an announcement, in milliseconds of real time. Only a failing test waits so long. Default: 5000. */
  readonly patience?: number
}

/** The options, and the shortest way to write a test with them. */
export interface Kit extends ConformanceOptions {
  readonly advance: (ms: number) => void | Promise<void>
  /** How much time a random test may let pass, in milliseconds. */
  readonly longest: number
  /** Whether a random test should let some time pass now: see {@link RealTime}. */
  readonly isBehind: () => boolean
  /** A test with an open adapter, which is closed afterwards. */
  readonly open: (name: string, body: (storage: StorageAdapter) => Promise<void>) => void
  /** A test with two open adapters on the same data. There is none without `createPeer`, nor where the adapter does not say that it is shared. */
  readonly together: (name: string, body: (one: StorageAdapter, two: StorageAdapter) => Promise<void>) => void
  /** Opens another adapter on the same data if it is shared, and closes it after `body`. Otherwise `body` gets the same one twice. */
  readonly withPeer: (storage: StorageAdapter, body: (peer: StorageAdapter) => Promise<void>) => Promise<void>
  /** Resolves with the outcome of `work`; rejects with `what` if it does not settle within the patience. */
  readonly within: <Outcome>(work: Promise<Outcome>, what: string) => Promise<Outcome>
  /** Resolves as soon as `condition` holds; rejects with `what` if it does not within the patience. */
  readonly until: (condition: () => boolean, what: string) => Promise<void>
}

/** The channel of most tests. */
export const ROOM = 'room/1'
/** Keeps all that a test appends. */
export const ROOMY: Retention = { limit: 10_000, bytes: 10_000_000, ttl: LONG }
/** Reads all that there is. */
export const ALL = { from: 1, limit: 10_000, bytes: 10_000_000 }

export function makeKit (options: ConformanceOptions): Kit {
  const patience = options.patience ?? 5000
  const { createPeer } = options
  const time = options.advance === undefined ? new RealTime() : null
  const opened: typeof whileOpen = (storage, body) => whileOpen(storage, async () => {
    time?.begin()
    await body(storage)
  })
  const kit: Kit = {
    ...options,
    test: time === null ? options.test : (name, body) => options.test(name, () => time.run(body, (error) => options.onAgain?.(name, error))),
    advance: options.advance ?? ((ms) => (time as RealTime).advance(ms)),
    longest: time === null ? Infinity : PATIENT,
    isBehind: () => time?.isBehind ?? false,
    open (name, body) {
      kit.test(name, async () => await opened(await options.create(), body))
    },
    together (name, body) {
      if (createPeer === undefined) return
      kit.open(name, async (one) => {
        if (one.supports.shared) await kit.withPeer(one, (two) => body(one, two))
      })
    },
    async withPeer (storage, body) {
      if (createPeer === undefined || !storage.supports.shared) await body(storage)
      else await opened(await createPeer(storage), body)
    },
    async within (work, what) {
      let isSettled = false
      const settle = (): void => { isSettled = true }
      work.then(settle, settle)
      await kit.until(() => isSettled, what)
      return await work
    },
    async until (condition, what) {
      const end = performance.now() + patience
      while (!condition()) {
        if (performance.now() > end) {
          time?.conclude()
          assert.fail(`${what}: not within ${patience} ms`)
        }
        await new Promise((resolve) => { setTimeout(resolve, 2) })
      }
    }
  }
  return kit
}

/** Opens an adapter for `body`, and closes it in any case. */
async function whileOpen (storage: StorageAdapter, body: (storage: StorageAdapter) => Promise<void>): Promise<void> {
  await storage.open({ onError: () => {} })
  try {
    await body(storage)
  } finally {
    await storage.close()
  }
}

/** A draft with a text as its body. */
export function draft (text: string, more: Partial<Draft> = {}): Draft {
  return { body: new TextEncoder().encode(text), qos: 1, ...more }
}

/** The key of a publisher's message. */
export function by (id: string, sequence: number, ttl = LONG): DraftKey {
  return { publisher: { id, sequence, ttl } }
}

/** The key of a message with an id. */
export function withId (id: string, fingerprint: string, ttl = LONG): DraftKey {
  return { id: { id, fingerprint, ttl } }
}

/** Appends texts as one run, with room for all. */
export function append (storage: StorageAdapter, channel: string, ...drafts: Array<string | Draft>): Promise<readonly AppendOutcome[]> {
  return storage.log.append(channel, drafts.map((item) => typeof item === 'string' ? draft(item) : item), ROOMY)
}

/** What there is of a channel. */
export function readAll (storage: StorageAdapter, channel = ROOM): Promise<Page> {
  return storage.log.read(channel, ALL)
}

/** A body as a text that shows every byte; `null` stays. */
export function shown (body: Uint8Array | null): string | null {
  return body === null ? null : Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
}

/** The bodies of records as texts. */
export function texts (records: readonly StoredRecord[]): Array<string | null> {
  return records.map(({ body }) => shown(body))
}

/** The offset at which an outcome says the message is; `null` if it says none. */
export function offsetOf (outcome: AppendOutcome | null | undefined): number | null {
  return outcome == null || outcome.status === 'conflict' ? null : outcome.position?.offset ?? null
}

/** Asserts what became of a run: each status, with the offset it tells: `stored 1`, `duplicate 1`, `duplicate null`, `conflict`. */
export function outcomesAre (outcomes: ReadonlyArray<AppendOutcome | null>, expected: readonly string[]): void {
  const told = outcomes.map((outcome) => {
    if (outcome === null) return 'new'
    return outcome.status === 'conflict' ? 'conflict' : `${outcome.status} ${offsetOf(outcome)}`
  })
  assert.deepEqual(told, expected)
}

/** Asserts that an operation rejects with a PushError of this code. */
export async function rejectsWith (code: Code, what: string, operation: () => Promise<unknown>): Promise<void> {
  const outcome = await Promise.resolve().then(operation).then(() => 'no rejection', (error: unknown) => error)
  assert.ok(outcome instanceof PushError, `${what}: rejects with a PushError, not ${String(outcome)}`)
  assert.equal(outcome.code, code, what)
}

/** A feed listener that keeps what it heard. */
export class Ear implements FeedListener {
  readonly batches: FeedBatch[] = []
  readonly volatiles: string[] = []
  interruptions = 0

  records (batch: FeedBatch): void {
    this.batches.push(batch)
  }

  volatile (bodies: readonly Uint8Array[]): void {
    for (const body of bodies) this.volatiles.push(shown(body) as string)
  }

  interrupted (): void {
    this.interruptions++
  }

  /** What it heard, each record as offset and text, a batch that was repeated at once only once. */
  get heard (): string[] {
    const batches = this.batches.filter((batch, i) => batch.from !== this.batches[i - 1]?.from)
    return batches.flatMap(({ from, records }) => records.map(({ body }, i) => `${from + i} ${shown(body)}`))
  }

  /** Whether it has heard of this offset, or that something may be missing. */
  knows (offset: number): boolean {
    return this.interruptions > 0 || this.batches.some(({ from, records }) => offset >= from && offset < from + records.length)
  }
}

/** Small, fast and seeded: the same seed gives the same numbers in [0, 1). */
export function randomFrom (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
}
