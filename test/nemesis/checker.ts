import { keyOf, type Event, type Numbered } from './history.js'
import { Reader } from './reader.js'

/**
 * What can be wrong with a history. Each kind is a promise that did not hold:
 * - `lost`: acknowledged, or handed to somebody, and missing at a subscriber that was told of no gap there.
 * - `duplicate`: stored or handed over twice at QoS 2, `repeat`: at QoS 1, and no reconnect or kill explains it.
 * - `publisher-order`, `channel-order`: not in the order of the publisher's calls, of the log.
 * - `hole`: an offset was passed over and nobody said so.
 * - `ghost`: nobody published it. `refused-delivered`: its publisher was told that it was not stored.
 * - `unknown-twice`: of unknown outcome, and stored more than once.
 * - `disagreement`: two subscribers have different messages at one position.
 */
export type ViolationKind = 'lost' | 'duplicate' | 'repeat' | 'publisher-order' | 'channel-order' | 'hole' | 'ghost' |
  'refused-delivered' | 'unknown-twice' | 'disagreement'

export interface Violation {
  readonly kind: ViolationKind
  readonly text: string
}

/** What the history says of one message. */
interface Fate {
  readonly message: Numbered
  readonly qos: 1 | 2
  outcome: 'ok' | 'refused' | 'unknown'
  /** The publisher was killed after the call: at QoS 1 what it sends again may bear another number. */
  orphaned: boolean
  /** Where it was stored, as far as anybody was told. */
  readonly offsets: Set<number>
}

/** Holds a finished history against the promises. Pure; the first violation of each kind comes first. */
export function check (history: readonly Event[]): Violation[] {
  const violations: Violation[] = []
  const found = (kind: ViolationKind, text: string): void => { violations.push({ kind, text }) }
  const fates = fatesOf(history)
  const readers = readersOf(history, {
    found,
    qosOf: (message) => fates.get(keyOf(message))?.qos ?? 1,
    mayHaveCopies: (message) => mayHaveCopies(fates.get(keyOf(message)))
  })
  checkHanded(history, fates, found)
  for (const [key, fate] of fates) {
    if (fate.outcome === 'refused' && fate.offsets.size > 0) found('refused-delivered', key)
    checkStoredOnce(key, fate, found)
    if (fate.outcome !== 'ok' && fate.offsets.size === 0) continue
    for (const reader of readers) {
      if (reader.channel === fate.message.channel && !reader.accountsFor(key, fate.offsets)) found('lost', `${reader.name} never had ${key}`)
    }
  }
  return violations
}

function fatesOf (history: readonly Event[]): Map<string, Fate> {
  const fates = new Map<string, Fate>()
  for (const event of history) {
    if (event.type === 'invoke') {
      fates.set(keyOf(event), { message: event, qos: event.qos, outcome: 'unknown', orphaned: false, offsets: new Set() })
    } else if (event.type === 'ok' || event.type === 'refused' || event.type === 'unknown') {
      const fate = fates.get(keyOf(event))
      if (fate === undefined) throw new Error(`${keyOf(event)} ended and never began`)
      fate.outcome = event.type
      if (event.type === 'ok' && event.position !== null) fate.offsets.add(event.position.offset)
    } else if (event.type === 'publisher-killed') {
      for (const fate of fates.values()) fate.orphaned ||= fate.message.publisher === event.publisher
    }
  }
  return fates
}

/** At QoS 1 what a killed publisher sends again may be stored again. */
function mayHaveCopies (fate: Fate | undefined): boolean {
  return fate?.qos === 1 && fate.orphaned
}

function readersOf (history: readonly Event[], context: ConstructorParameters<typeof Reader>[2]): Reader[] {
  const readers = new Map<string, Reader[]>()
  for (const event of history) {
    if (!('subscriber' in event)) continue
    const mine = readers.get(event.subscriber) ?? []
    readers.set(event.subscriber, mine)
    if (event.type === 'subscribed') mine.push(new Reader(event.subscriber, event.channel, context))
    for (const reader of mine) reader.take(event)
  }
  return [...readers.values()].flat()
}

function checkHanded (history: readonly Event[], fates: ReadonlyMap<string, Fate>, found: Reader['found']): void {
  const log = new Map<string, string>()
  for (const event of history) {
    if (event.type !== 'handed') continue
    const key = keyOf(event)
    const fate = fates.get(key)
    if (fate === undefined) found('ghost', `${event.subscriber} was handed ${key}`)
    fate?.offsets.add(event.position.offset)
    const place = `${event.channel} ${event.position.epoch}:${event.position.offset}`
    const other = log.get(place) ?? key
    if (other !== key) found('disagreement', `at ${place} lies ${key}, and ${other}`)
    log.set(place, key)
  }
}

function checkStoredOnce (key: string, fate: Fate, found: Reader['found']): void {
  const { qos, outcome, offsets } = fate
  if (offsets.size < 2 || mayHaveCopies(fate)) return
  const kind = outcome === 'unknown' ? 'unknown-twice' : qos === 2 ? 'duplicate' : 'repeat'
  found(kind, `${key} is stored at ${[...offsets].join(' and ')}`)
}
