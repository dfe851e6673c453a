import t from 'tap'
import { check } from './checker.js'
import type { Event } from './history.js'

// Small histories made by hand: each kind of violation is found, and nothing else.

const channel = 'room/1'
const at = (offset: number) => ({ epoch: 'e', offset })
const invoke = (number: number, qos: 1 | 2 = 2, publisher = 'p'): Event => ({ type: 'invoke', publisher, channel, number, qos })
const ok = (number: number, offset: number | null, publisher = 'p'): Event => ({ type: 'ok', publisher, channel, number, position: offset === null ? null : at(offset) })
const ended = (type: 'refused' | 'unknown', number: number): Event => ({ type, publisher: 'p', channel, number })
const subscribed = (subscriber = 's'): Event => ({ type: 'subscribed', subscriber, channel })
const handed = (number: number, offset: number, subscriber = 's', publisher = 'p'): Event =>
  ({ type: 'handed', subscriber, channel, publisher, number, position: at(offset) })
const connected: Event = { type: 'connected', subscriber: 's' }
const killed = (saved: number): Event => ({ type: 'subscriber-killed', subscriber: 's', saved: { [channel]: at(saved) } })
const gap = (from: number, to: number): Event => ({ type: 'gap', subscriber: 's', channel, reason: 'retention', from, to, count: to - from + 1, position: at(to) })
const publisherKilled: Event = { type: 'publisher-killed', publisher: 'p' }
/** Messages 1 to `count`, acknowledged, at the same offsets, and a subscriber. */
const stored = (count: number, qos: 1 | 2 = 2): Event[] => [subscribed(), ...Array.from({ length: count }, (_, i) => [invoke(i + 1, qos), ok(i + 1, i + 1)]).flat()]

const right: Record<string, Event[]> = {
  'an empty history': [],
  'everything handed over once': [...stored(2), handed(1, 1), handed(2, 2)],
  'an unknown outcome, stored or not': [...stored(1), invoke(2), invoke(3), ended('unknown', 2), ended('unknown', 3), handed(1, 1), handed(3, 2)],
  'a refused one that nobody has': [...stored(1), invoke(2), ended('refused', 2), handed(1, 1)],
  'a declared gap': [...stored(4), handed(1, 1), gap(2, 3), handed(4, 4)],
  'a gap told in two parts': [...stored(4), handed(1, 1), gap(2, 2), gap(3, 3), handed(4, 4)],
  'an acknowledged one without a known position, with a gap': [...stored(1), invoke(2), ok(2, null), invoke(3), ok(3, 3), handed(1, 1), gap(2, 2), handed(3, 3)],
  'at QoS 1 a repeat after a reconnect': [...stored(3, 1), handed(1, 1), handed(2, 2), connected, handed(1, 1), handed(2, 2), handed(3, 3)],
  'at QoS 2 a repeat of what a killed process had not saved': [...stored(3), handed(1, 1), handed(2, 2), handed(3, 3), killed(1), connected, handed(2, 2), handed(3, 3)],
  'at QoS 1 a second copy after the publisher was killed': [...stored(1, 1), publisherKilled, handed(1, 1), handed(1, 2)],
  'at QoS 1 a later copy of what a gap swallowed': [...stored(3, 1), publisherKilled, handed(1, 1), gap(2, 2), handed(3, 3), handed(2, 4)],
  'two subscribers, each its own way': [...stored(2), subscribed('z'), handed(1, 1), handed(1, 1, 'z'), handed(2, 2, 'z'), handed(2, 2)]
}

const wrong: Array<[name: string, history: Event[], ...kinds: string[]]> = [
  ['an acknowledged one that nobody has', [...stored(2), handed(1, 1)], 'lost'],
  ['one that another subscriber has', [subscribed(), subscribed('z'), invoke(1), ended('unknown', 1), handed(1, 1, 'z')], 'lost'],
  ['a gap elsewhere', [...stored(3), handed(1, 1), handed(2, 2), gap(1, 1)], 'lost'],
  ['a repeat at QoS 2', [...stored(1), handed(1, 1), handed(1, 1)], 'duplicate'],
  ['a reconnect explains no repeat at QoS 2', [...stored(1), handed(1, 1), connected, handed(1, 1)], 'duplicate'],
  ['a repeat of what was saved', [...stored(2), handed(1, 1), handed(2, 2), killed(1), handed(1, 1)], 'duplicate'],
  ['stored twice at QoS 2', [...stored(1), handed(1, 1), handed(1, 2)], 'duplicate'],
  ['stored twice at QoS 2, though the publisher was killed', [...stored(1), publisherKilled, handed(1, 1), handed(1, 2)], 'duplicate'],
  ['a repeat at QoS 1 without a reconnect', [...stored(1, 1), connected, handed(1, 1), handed(1, 1)], 'repeat'],
  ['stored twice at QoS 1', [...stored(1, 1), handed(1, 1), handed(1, 2)], 'repeat'],
  ["not in the order of the publisher's calls", [subscribed(), invoke(1), invoke(2), ok(1, 2), ok(2, 1), handed(2, 1), handed(1, 2)], 'publisher-order'],
  ['at QoS 2 not in order, whatever a gap swallowed', [...stored(3), publisherKilled, handed(1, 1), gap(2, 2), handed(3, 3), handed(2, 4)], 'publisher-order', 'duplicate'],
  ['not in the order of the log', [...stored(3), handed(1, 1), handed(3, 3), handed(2, 2)], 'hole', 'channel-order', 'publisher-order'],
  ['passed over without a word', [...stored(3), handed(1, 1), handed(3, 3)], 'hole', 'lost'],
  ['a gap too small', [...stored(4), handed(1, 1), gap(2, 2), handed(4, 4)], 'hole', 'lost'],
  ['begun again too late after a kill', [...stored(4), handed(1, 1), killed(1), handed(3, 3), handed(4, 4)], 'hole', 'lost'],
  ['never published', [...stored(1), handed(1, 1), handed(9, 2)], 'ghost'],
  ['refused, and handed over', [...stored(1), invoke(2), ended('refused', 2), handed(1, 1), handed(2, 2)], 'refused-delivered'],
  ['unknown, and stored twice', [subscribed(), invoke(1), ended('unknown', 1), handed(1, 1), handed(1, 2)], 'unknown-twice'],
  ['two messages at one position', [...stored(1), subscribed('z'), invoke(2), handed(1, 1), handed(2, 1, 'z')], 'disagreement', 'lost', 'lost']
]

for (const [name, history] of Object.entries(right)) {
  t.test(`right: ${name}`, async (t) => t.strictSame(check(history), []))
}

for (const [name, history, ...kinds] of wrong) {
  t.test(`wrong: ${name}`, async (t) => t.strictSame(check(history).map(({ kind }) => kind).sort(), [...kinds].sort()))
}

t.test('a history that cannot be is refused', async (t) => {
  t.throws(() => check([ok(1, 1)]), /never began/)
})
