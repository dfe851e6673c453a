import { keyOf, type Event, type Numbered } from './history.js'
import { Reader, type Place } from './reader.js'

/**
 * What can be wrong with a history. Each kind is a promise that did not hold:
 * - `lost`: acknowledged, or handed to somebody, and missing at a subscriber that was told of no gap there.
 * - `duplicate`: stored or handed over twice at QoS 2, `repeat`: at QoS 1, and no reconnect or kill explains it.
 * - `publisher-order`, `channel-order`: not in the order of the publisher's calls, of the log.
 * - `hole`: an offset was passed over and nobody said so.
 * - `silent-reset`: a message of another log than the one before, and nobody said so.
 * - `false-alarm`: told of a loss of unknown size that cannot have been, or once too often.
 * - `ghost`: nobody published it. `refused-delivered`: its publisher was told that it was not stored.
 * - `unknown-twice`: of unknown outcome, and stored more than once.
 * - `disagreement`: there are different messages at one position.
 */
export type ViolationKind = 'lost' | 'duplicate' | 'repeat' | 'publisher-order' | 'channel-order' | 'hole' | 'silent-reset' | 'false-alarm' |
  'ghost' | 'refused-delivered' | 'unknown-twice' | 'disagreement'

export interface Violation {
  readonly kind: ViolationKind
  readonly text: string
}

export interface CheckOptions {
  /** Whether the store keeps whatever it has acknowledged. Otherwise what it loses is to be announced. Default: it does. */
  readonly durable?: boolean
}

type Found = (kind: ViolationKind, text: string) => void

/** What the history says of one message. */
interface Fate {
  readonly message: Numbered
  readonly qos: 1 | 2
  /** When, counted in events. */
  readonly invoked: number
  outcome: 'ok' | 'refused' | 'unknown'
  /** Where it was stored is not known to anybody, and it may be later than what was published after it. */
  late: boolean
  /** The publisher was killed after the call: at QoS 1 what it sends again may bear another number. */
  orphaned: boolean
  /** Where it was stored, as far as anybody was told. */
  readonly places: Place[]
}

/** Holds a finished history against the promises. Pure; the first violation of each kind comes first. */
export function check (history: readonly Event[], { durable = true }: CheckOptions = {}): Violation[] {
  const violations: Violation[] = []
  const found = (kind: ViolationKind, text: string): void => { violations.push({ kind, text }) }
  const fates = fatesOf(history)
  // At QoS 1 what a killed publisher sends again may be stored again; so may what it sends again to a store that has forgotten it.
  const mayHaveCopies = (fate: Fate | undefined): boolean => fate?.qos === 1 && (fate.orphaned || !durable)
  const readers = readersOf(history, {
    durable,
    found,
    qosOf: (message) => fates.get(keyOf(message))?.qos ?? 1,
    mayHaveCopies: (message) => mayHaveCopies(fates.get(keyOf(message))),
    mayBeLate: (message) => fates.get(keyOf(message))?.late === true
  })
  checkPlaces(history, fates, durable, found)
  for (const [key, fate] of fates) {
    const { outcome, places, invoked } = fate
    // What refused it may be lost by the time that a process sends it again which did not keep that it was refused.
    const isForgotten = !durable && fate.orphaned
    if (outcome === 'refused' && places.length > 0 && !isForgotten) found('refused-delivered', key)
    if (!mayHaveCopies(fate)) checkStoredOnce(key, fate, durable, found)
    if (outcome !== 'ok' && places.length === 0) continue
    for (const reader of readers) {
      if (reader.channel === fate.message.channel && !reader.accountsFor(key, places, invoked)) found('lost', `${reader.name} never had ${key}`)
    }
  }
  return violations
}

function fatesOf (history: readonly Event[]): Map<string, Fate> {
  const fates = new Map<string, Fate>()
  for (const [invoked, event] of history.entries()) {
    if (event.type === 'invoke') {
      fates.set(keyOf(event), { message: event, qos: event.qos, invoked, outcome: 'unknown', late: false, orphaned: false, places: [] })
    } else if (event.type === 'ok' || event.type === 'refused' || event.type === 'unknown') {
      const fate = fates.get(keyOf(event))
      if (fate === undefined) throw new Error(`${keyOf(event)} ended and never began`)
      fate.outcome = event.type
      if (event.type === 'unknown') fate.late = event.late === true
    } else if (event.type === 'publisher-killed') {
      for (const fate of fates.values()) fate.orphaned ||= fate.message.publisher === event.publisher
    }
  }
  return fates
}

function readersOf (history: readonly Event[], context: Omit<ConstructorParameters<typeof Reader>[2], 'qos'>): Reader[] {
  const readers = new Map<string, Reader[]>()
  for (const [at, event] of history.entries()) {
    if (event.type === 'store-restarted') {
      for (const mine of readers.values()) for (const reader of mine) reader.take(event, at)
    }
    if (!('subscriber' in event)) continue
    const mine = readers.get(event.subscriber) ?? []
    readers.set(event.subscriber, mine)
    if (event.type === 'subscribed') mine.push(new Reader(event.subscriber, event.channel, { ...context, qos: event.qos ?? 2 }))
    for (const reader of mine) reader.take(event, at)
  }
  return [...readers.values()].flat()
}

/** Notes where each message was said to lie, by whom ever. */
function checkPlaces (history: readonly Event[], fates: ReadonlyMap<string, Fate>, durable: boolean, found: Found): void {
  const log = new Map<string, string>()
  for (const event of history) {
    if (event.type !== 'ok' && event.type !== 'handed' && event.type !== 'kept') continue
    const { channel, position } = event
    const key = keyOf(event)
    const fate = fates.get(key)
    if (fate === undefined) found('ghost', event.type === 'handed' ? `${event.subscriber} was handed ${key}` : `${key} is stored`)
    if (position === null) continue
    const { epoch, offset } = position
    const kept = event.type === 'kept'
    if (kept || fate?.places.some((place) => place.epoch === epoch && place.offset === offset) === false) fate?.places.push({ epoch, offset, kept })
    // Where nothing is lost, an epoch continues the one before.
    const place = durable ? `${channel} ${offset}` : `${channel} ${epoch}:${offset}`
    const other = log.get(place) ?? key
    if (other !== key) found('disagreement', `at ${place} lies ${key}, and ${other}`)
    log.set(place, key)
  }
}

function checkStoredOnce (key: string, { qos, outcome, places }: Fate, durable: boolean, found: Found): void {
  const offsets = new Map<string, Set<number>>()
  for (const { epoch, offset } of places) {
    const log = durable ? '' : epoch
    offsets.set(log, (offsets.get(log) ?? new Set()).add(offset))
  }
  if ([...offsets.values()].every(({ size }) => size < 2)) return
  const kind = outcome === 'unknown' ? 'unknown-twice' : qos === 2 ? 'duplicate' : 'repeat'
  found(kind, `${key} is stored at ${places.map(({ epoch, offset }) => `${epoch}:${offset}`).join(' and ')}`)
}
