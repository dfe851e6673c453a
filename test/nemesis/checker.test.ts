import t from 'tap'
import { check, type Violation } from './checker.js'
import { story } from './findings.js'
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
  ['refused, and stored when it was sent again', [...stored(1, 1), invoke(2, 1), ended('refused', 2), publisherKilled, handed(1, 1), handed(2, 2)], 'refused-delivered'],
  ['unknown, and stored twice', [subscribed(), invoke(1), ended('unknown', 1), handed(1, 1), handed(1, 2)], 'unknown-twice'],
  ['two messages at one position', [...stored(1), subscribed('z'), invoke(2), handed(1, 1), handed(2, 1, 'z')], 'disagreement', 'lost', 'lost']
]

// Epochs: where the store keeps all it acknowledges, a new one continues the one before; where it does not, losses are announced.

const inEpoch = (epoch: string) => ({
  at: (offset: number) => ({ epoch, offset }),
  ok: (number: number, offset: number): Event => ({ type: 'ok', publisher: 'p', channel, number, position: { epoch, offset } }),
  handed: (number: number, offset: number): Event => ({ type: 'handed', subscriber: 's', channel, publisher: 'p', number, position: { epoch, offset } }),
  kept: (number: number, offset: number): Event => ({ type: 'kept', channel, publisher: 'p', number, position: { epoch, offset } }),
  told: (reason: 'epoch' | 'unverified', offset: number): Event => ({ type: 'gap', subscriber: 's', channel, reason, from: null, to: null, count: null, position: { epoch, offset } })
})
const f = inEpoch('f')
const g = inEpoch('g')
const restarted: Event = { type: 'store-restarted' }

const rightDurable: Record<string, Event[]> = {
  'the store was started again, and nothing is missing': [...stored(1), handed(1, 1), restarted, f.told('unverified', 1), invoke(2), f.ok(2, 2), f.handed(2, 2), f.kept(1, 1), f.kept(2, 2)],
  'told again after a kill': [...stored(1), handed(1, 1), restarted, f.told('unverified', 1), killed(1), f.told('unverified', 1)],
  'further back after a kill': [...stored(2), handed(1, 1), handed(2, 2), killed(1), restarted, f.told('unverified', 1), f.handed(2, 2)]
}
const wrongDurable: Array<[name: string, history: Event[], ...kinds: string[]]> = [
  ['told of a loss that cannot have been', [...stored(1), handed(1, 1), f.told('unverified', 1)], 'false-alarm'],
  ['told twice', [...stored(1), handed(1, 1), restarted, f.told('unverified', 1), g.told('unverified', 1)], 'false-alarm'],
  ['said to be a new log', [...stored(1), handed(1, 1), restarted, f.told('epoch', 0), f.handed(1, 1)], 'false-alarm', 'duplicate'],
  ['said to go back', [...stored(2), handed(1, 1), handed(2, 2), restarted, f.told('unverified', 1), f.handed(2, 2)], 'false-alarm', 'duplicate'],
  ['lost, whatever was told', [...stored(2), handed(1, 1), restarted, f.told('unverified', 1)], 'lost'],
  ['a message of another log without a word', [...stored(2), handed(1, 1), f.handed(2, 2)], 'silent-reset'],
  ['other messages at the places of those before', [...stored(2), handed(1, 1), handed(2, 2), restarted, f.told('unverified', 2), invoke(3), f.ok(3, 2)], 'disagreement', 'lost']
]
/** It had begun to hear of a second log, was killed before that was saved, and the end of that log is gone when it comes back. */
const forgotten: Event[] = [...stored(1), handed(1, 1), restarted, f.told('unverified', 1), invoke(2), f.ok(2, 2), invoke(3), f.ok(3, 3), killed(1), restarted]
/** It is told of a second log again after it was killed, and has all of that. */
const toldAgain = (saved: Event): Event[] => [...stored(1), handed(1, 1), restarted, f.told('unverified', 1), invoke(2), f.ok(2, 2), f.handed(2, 2), saved, f.told('unverified', 1), f.handed(2, 2)]
/** One that was refused comes to lie in a second log. */
const refusedBefore = (qos: 1 | 2, between: Event): Event[] => [...stored(1, qos), invoke(2, qos), ended('refused', 2), between, handed(1, 1), f.told('epoch', 0), f.handed(2, 1)]
const rightLossy: Record<string, Event[]> = {
  'a lost tail that was announced': [...stored(3), handed(1, 1), restarted, f.told('unverified', 1), f.kept(1, 1)],
  'a lost tail that had been handed over, and came again': [...stored(2), handed(1, 1), handed(2, 2), restarted, f.told('unverified', 1), f.ok(2, 2), f.handed(2, 2), f.kept(1, 1), f.kept(2, 2)],
  'a log that is gone': [...stored(2), handed(1, 1), f.told('epoch', 0), invoke(3), f.ok(3, 1), f.handed(3, 1), f.kept(3, 1)],
  'a log in between that it never saw': [...stored(1), handed(1, 1), invoke(2), f.ok(2, 1), g.told('epoch', 0)],
  'the end of a log that it had forgotten, and a third log': [...forgotten, g.told('unverified', 1), g.kept(1, 1)],
  'a log that it had forgotten, and a new one': [...forgotten, g.told('epoch', 0)],
  'refused, and sent again by a killed publisher when the store has forgotten why': refusedBefore(2, publisherKilled),
  'at QoS 1 stored again by a store that had forgotten it': [...stored(1, 1), handed(1, 1), f.told('epoch', 0), f.ok(1, 1), f.handed(1, 1), f.handed(1, 2)]
}
const wrongLossy: Array<[name: string, history: Event[], ...kinds: string[]]> = [
  ['lost before the place that was announced', [...stored(3), handed(1, 1), handed(3, 3), f.told('unverified', 3)], 'hole', 'lost'],
  ['announced, but there', [...stored(2), handed(1, 1), f.told('unverified', 2), f.kept(1, 1), f.kept(2, 2)], 'lost'],
  ['lost and not announced', [...stored(2), handed(1, 1)], 'lost'],
  ['announced before it was published', [...stored(1), handed(1, 1), f.told('epoch', 0), invoke(2), g.ok(2, 1)], 'lost'],
  ['again, though the store had not lost it', [...stored(2), handed(1, 1), handed(2, 2), f.told('unverified', 2), f.handed(2, 3)], 'duplicate'],
  ['twice in one log', [...stored(1), handed(1, 1), f.told('epoch', 0), f.handed(1, 1), f.handed(1, 2)], 'duplicate'],
  ['the end of a log that it had forgotten, and no word', forgotten, 'lost', 'lost'],
  ['told of the same log again, and then lost', [...toldAgain(killed(1)), invoke(3), f.ok(3, 3)], 'lost'],
  ['the same, and nothing was saved', [...toldAgain({ type: 'subscriber-killed', subscriber: 's', saved: {} }), invoke(3), f.ok(3, 3)], 'lost'],
  ['refused, and stored though nobody sent it again', refusedBefore(1, restarted), 'refused-delivered'],
  ['never published, and stored', [...stored(1), handed(1, 1), f.kept(9, 1)], 'ghost']
]

for (const [durable, rights, wrongs] of [[true, rightDurable, wrongDurable], [false, rightLossy, wrongLossy]] as const) {
  const of = durable ? 'a store that loses nothing' : 'a store that may lose'
  for (const [name, history] of Object.entries(rights)) {
    t.test(`${of}, right: ${name}`, async (t) => t.strictSame(check(history, { durable }), []))
  }
  for (const [name, history, ...kinds] of wrongs) {
    t.test(`${of}, wrong: ${name}`, async (t) => t.strictSame(check(history, { durable }).map(({ kind }) => kind).sort(), [...kinds].sort()))
  }
}

for (const [name, history] of Object.entries(right)) {
  t.test(`right: ${name}`, async (t) => t.strictSame(check(history), []))
}

for (const [name, history, ...kinds] of wrong) {
  t.test(`wrong: ${name}`, async (t) => t.strictSame(check(history).map(({ kind }) => kind).sort(), [...kinds].sort()))
}

t.test('a history that cannot be is refused', async (t) => {
  t.throws(() => check([ok(1, 1)]), /never began/)
})

t.test('the story of a violation', async (t) => {
  const history = [...stored(3), connected, handed(1, 1), gap(2, 2), publisherKilled, killed(1)]
  const [first] = check(history)
  t.strictSame(story(first as Violation, history).split('\n').map((line) => line.split(' ')[0]), ['s', '5', '6', '9', '10', '11'])
})
