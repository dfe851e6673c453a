import type { Mutation } from '../helpers/mutate.js'
import type { Violation } from './history.js'
import type { Focus } from './setup.js'

/** A rule of the design, how to switch it off, and by what the model finds out. */
export interface Rule {
  /** The section of the design, and the rule. */
  readonly rule: string
  readonly mutations: readonly Mutation[]
  /** The promises of which one is the first to break. */
  readonly caught: readonly Violation[]
  /** What makes it happen often enough to be found soon. */
  readonly focus?: Focus
  /** The seed to begin with, for what no focus makes frequent. It depends on the code under test: MODEL_RULE finds another one. Default 1. */
  readonly from?: number
}

const one = (rule: string, file: string, search: string, replace: string, ...caught: Violation[]): Rule =>
  ({ rule, mutations: [{ file, search, replace }], caught })

/** Each rule that delivery depends on. */
export const rules: readonly Rule[] = [
  // ---- 1. one idea
  { ...one('1 another epoch: reset', 'core/position.js', 'if (epoch !== cursor.epoch)', 'if (false)', 'hole', 'silent-epoch', 'lost', 'wire-hole', 'not-live'), focus: { actions: { storeLost: 8 } }, from: 8 },
  { ...one('1 at or before the position: duplicate', 'core/position.js', "return 'duplicate'", "return 'deliver'", 'repeat', 'disorder', 'lost', 'wire-repeat'), from: 470 },
  one('1 the next one: deliver', 'core/position.js', "? 'deliver' : 'behind'", "? 'behind' : 'behind'", 'lost', 'not-live'),
  one('1 further ahead: behind', 'broker/cursor.js', 'else if (batch.to > this.#seen)', 'else if (false)', 'lost', 'not-live'),
  one('1 read up to the head that was reported', 'broker/cursor.js', 'this.#seen = start.head', 'this.#seen = start.position.offset', 'lost', 'not-live'),
  { ...one('1 the head is told after an interruption', 'broker/hub.js', 'subscription.hearHead(state);', ';', 'lost', 'not-live'), from: 90 },
  // ---- 2. promises
  { ...one('2 a resend is recognised by its sequence', 'storage/memory/channel-log.js', 'publisher.sequence <= last.sequence', 'false', 'stored-twice', 'publisher-order'), from: 170 },
  one('2 a retry is recognised by its id', 'storage/memory/channel-log.js', 'if (known === undefined || id === undefined)\n            return null;\n        return known.fingerprint', 'if (known !== null)\n            return null;\n        return known.fingerprint', 'stored-twice', 'conflict-missed'),
  one('2 the same id with another body is a conflict', 'storage/memory/channel-log.js', 'return known.fingerprint === id.fingerprint', 'return true', 'acknowledged-not-stored'),
  one('2 acknowledged after the append, never before', 'connection/publish-run.js', 'const outcomes = await publishing.append(', 'for (const { frame } of admitted) this.#answer(frame, { status: \'stored\', position: null });\n            const outcomes = await publishing.append(', 'acknowledged-not-stored'),
  one('2 the cursor is saved before the acknowledgement leaves (QoS 2)', 'client/acks.js', 'const saved = exactly.length > 0 ? this.#options.saved.save() : undefined', 'const saved = undefined', 'acknowledged-not-saved'),
  one('2 confirmed after the cursor is committed', 'connection/session.js', '#commit({ channel, wire, qos }, position) {', "#commit({ channel, wire, qos }, position) {\n        this.#owner?.send({ type: 'confirmed', positions: [{ channel: wire, ...position }] });", 'confirmed-not-stored'),
  one('2 the window bounds what is in flight', 'core/window.js', 'this.limit = position + size', 'this.limit = Infinity', 'window'),
  one('2 what is lost is said: retention', 'core/position.js', "reason: 'retention', from, to, count: to - from + 1 }", "reason: 'retention', from: to, to, count: 1 }", 'hole', 'lost', 'acknowledged-not-handled', 'resumed-wrong'),
  one('2 what is lost is said: another epoch', 'core/position.js', "return { position: { epoch, offset: first - 1 }, gap: unknown('epoch') }", 'return { position: { epoch, offset: first - 1 } }', 'lost', 'silent-epoch', 'wire-hole', 'acknowledged-not-handled', 'hole', 'cursor-leads', 'resumed-wrong'),
  { ...one('2 QoS 0 is not sent a second time from the log', 'broker/segments.js', '(qos > 0 || offset <= rewound)', 'true', 'repeat'), from: 75 },
  // ---- 7. storage
  { ...one('7 a late write of an old connection is fenced', 'storage/memory/cursors.js', 'stored.generation > commit.generation', 'false', 'not-fenced'), from: 7 },
  one('7 cursors move forward only', 'storage/memory/cursors.js', 'later(stored.position, position)', 'position', 'cursor-back'),
  { ...one('7 across epochs by (generation, number)', 'storage/memory/cursors.js', 'else if (isLater)', 'else', 'cursor-back'), focus: { actions: { storeLost: 6, takeOver: 8, cut: 20 }, storage: { latency: 600, late: 0.2 } } },
  // ---- 11. what breaks if built carelessly
  one('11.1 one append of a publisher after the other', 'connection/publish-run.js', 'if (this.idle)', 'if (true)', 'publisher-order', 'acknowledged-not-stored', 'never-settled', 'refused-stored', 'not-live'),
  { ...one('11.1 repeats are recognised before authorisation', 'connection/publish-run.js', 'await this.#answerRepeat(publication, frame) ||', 'false ||', 'needless-unknown', 'refused-stored'), from: 65 },
  one('11.1 discard until restart', 'connection/publish-run.js', 'if (this.#discarding)', 'if (false)', 'publisher-order', 'acknowledged-not-stored', 'refused-stored', 'stored-twice'),
  one('11.1 go back N', 'client/publisher.js', 'this.#goBack(run);\n        const error', 'const error', 'never-settled', 'publisher-order'),
  { ...one('11.1 an unknown outcome is retried with the same numbers', 'client/publisher.js', 'if (!error.retryable) {', 'for (const each of run.items) each.key = null;\n        if (!error.retryable) {', 'stored-twice', 'publisher-order'), from: 12 },
  { ...one('11.1 a refusal after an earlier send is unknown', 'client/outbox.js', 'if (item.doubtful)', 'if (false)', 'refused-stored'), from: 70 },
  { ...one('11.1 a lost session makes a new identity', 'client/publisher.js', 'if (!frame.resumed)', 'if (false)', 'sent-anew'), from: 45 },
  { ...one('11.1 what was sent at QoS 2 under a lost session is unknown', 'client/publisher.js', 'if (item.qos === 2 && item.doubtful)', 'if (false)', 'sent-anew'), from: 45 },
  { ...one('11.1 numbers are saved before they are used (QoS 2)', 'client/publisher.js', 'if (item.qos < 2 || item.saved || !saved.enabled)', 'if (true)', 'stored-twice', 'sent-anew'), focus: { plan: { named: true, store: 'async' }, actions: { killClient: 30, publish: 60, burst: 20 } }, from: 80 },
  one('11.2 a hole on purpose states its range', 'broker/pages.js', 'return segments(from, records, rewound).map(', 'return segments(from, records, rewound).filter(({ bodies }) => bodies !== null).map(', 'wire-hole', 'lost', 'not-live'),
  one('11.3 acknowledged means handled', 'client/subscription.js', 'this.#deliver(body, this.received = { epoch, offset: from + i })', '(this.#deliver(body, this.received = { epoch, offset: from + i }), this.#advance(this.received))', 'acknowledged-not-handled'),
  one('11.3 handlers of a channel run one after the other', 'client/handlers.js', 'while (this.#current === null && ', 'while (', 'acknowledged-not-handled', 'resumed-wrong', 'thrown', 'disorder', 'lost', 'repeat', 'unhandled-rejection'),
  one('11.3 a handler that fails is bounded', 'client/handlers.js', 'attempt >= entry.policy.tries', 'false', 'lost', 'not-live', 'repeat'),
  one('11.4 an acknowledgement beyond the head is ignored', 'core/window.js', 'if (offset > head)', 'if (false)', 'cursor-leads', 'wire-hole', 'hole', 'lost'),
  { ...one('11.4 the stored position counts where it is greater', 'broker/subscribing.js', 'later(position, stored)', 'position', 'resumed-wrong', 'repeat', 'repeat-after-save', 'lost'), from: 800 },
  one('11.4 without a stored cursor the start is stored', 'connection/session.js', 'if (subscription.fresh)', 'if (false)', 'resumed-wrong', 'cursor-lags'),
  one('11.5 the stored cursor never leads', 'broker/cursor.js', 'this.#next = to + 1;\n        if (to > this.#seen)', 'this.#next = to + 1;\n        this.onAcknowledged?.({ epoch: this.epoch, offset: to });\n        if (to > this.#seen)', 'cursor-leads', 'confirmed-not-stored'),
  { ...one('11.5 a turn to read that is given back is the next one\'s', 'broker/read-turns.js', 'this.#reading--;\n        this.next();', 'this.#reading--;', 'lost'), focus: { more: 1 } },
  { ...one('11.5 what a slow reader does not get is told', 'broker/subscription.js', "this.drop(count, 'slow');", "this.drop(count, 'slow');\n        return this.restart({ epoch: this.epoch, offset: to });", 'wire-hole', 'hole', 'lost', 'cursor-leads', 'acknowledged-not-handled'), focus: { more: 1 } },
  one('11.6 a feed is left only when nobody has it', 'broker/hub.js', 'if (--topic.users > 0)', 'if (--topic.users < 0)', 'lost', 'not-live'),
  {
    rule: '11.6 subscribe, then read',
    from: 40,
    mutations: [
      { file: 'broker/subscribing.js', search: 'const topic = await context.hub.join(channel);', replace: 'const before = await context.hub.join(channel);\n    const state = await before.state();\n    context.hub.leave(before);\n    const topic = await context.hub.join(channel);' },
      { file: 'broker/subscribing.js', search: '        const state = await readState(topic, request, stored);\n', replace: '' }
    ],
    caught: ['lost', 'not-live'],
    // What was missed shows only if nothing comes after it.
    focus: {
      steps: 8,
      actions: { subscribe: 20, unsubscribe: 14, cut: 20, publish: 16, burst: 0, serverPublish: 8, wait: 0, killNode: 0 },
      storage: { latency: 2000, lostRequest: 0, lostReply: 0, late: 0, dropBatch: 0, repeatBatch: 0 }
    }
  },
  one('11.9 the shared buffer: only for cursors that stand exactly before it', 'broker/topic.js', 'subscription.ready === from &&', 'subscription.ready !== -1 &&', 'wire-hole', 'wire-repeat'),
  one('11.9 the shared buffer: only where the window is open for all of it', 'broker/topic.js', '&& to <= subscription.limit', '', 'window'),
  { ...one('11.9 the shared buffer: only within the epoch', 'broker/topic.js', '&& subscription.epoch === epoch', '', 'wire-hole'), focus: { actions: { storeLost: 8, serverPublish: 40 } } },
  { ...one('11.11 ownership begins with the first frame after the hello', 'connection/opening.js', 'await greet(this.#connection, hello, authenticate, request);', 'await greet(this.#connection, hello, authenticate, request); await this.#claim();', 'not-live', 'cursor-leads', 'two-owners', 'resumed-wrong'), from: 1140 },
  {
    rule: '11.11 whoever was overtaken is closed',
    mutations: [
      { file: 'connection/session.js', search: 'this.#heard > this.generation)', replace: 'false)' },
      { file: 'connection/session.js', search: "if (outcome === 'fenced')", replace: 'if (false)' }
    ],
    caught: ['two-owners']
  },
  one('11.11 whoever was overtaken stops', 'protocol/codes.js', "PUSH_SUPERSEDED: { close: 4409, status: 409, retry: 'never'", "PUSH_SUPERSEDED: { close: 4409, status: 409, retry: 'later'", 'two-owners', 'not-live')
]
