import type { ClientInfo } from '../../types/hooks.js'
import type { Position, QoS } from '../../types/message.js'
import type { CursorStore, LogState } from '../../types/storage.js'
import { later, resume, type Resumption } from '../core/position.js'
import type { SubscriptionVerdict } from '../protocol/frames.js'
import type { Channel } from './channels.js'
import type { Start } from './cursor.js'
import type { Hub } from './hub.js'
import type { Outlet } from './outlet.js'
import type { SubscriptionContext } from './subscriber.js'
import { Subscription } from './subscription.js'
import type { Topic } from './topic.js'
import { loadUserCursor } from './user-cursor.js'

/** Who subscribes to what, and where it wants to start. */
export interface SubscribeRequest {
  readonly channel: Channel
  readonly session: string
  readonly client: ClientInfo
  readonly qos: QoS
  /** The last position the client had. */
  readonly position?: Position | undefined
  /** How many records back to start, where no position is known. */
  readonly rewind?: number | undefined
  /** Asks whether the client may begin in the past, where only the client says that it had been there. Absent: it may. */
  readonly mayReadPast?: (() => Promise<boolean>) | undefined
  /** Where its subscription began that this one replaces. */
  readonly since?: Position | undefined
  readonly outlet: Outlet
}

/** A subscription that has begun: it sends nothing before its `start`. */
export interface Started {
  readonly subscription: Subscription
  readonly verdict: SubscriptionVerdict
}

export interface SubscribingContext {
  readonly hub: Hub
  readonly cursors: CursorStore
  readonly subscription: SubscriptionContext
}

/**
 * Subscribes: joins the feed, then finds the cursor, then reads the head; in this order nothing that is appended meanwhile can be missed.
 * Rejects with the storage's error, and has then left the feed again.
 */
export async function subscribe (context: SubscribingContext, request: SubscribeRequest): Promise<Started> {
  const { channel, session, client, qos } = request
  const topic = await context.hub.join(channel)
  try {
    const own = qos === 0 ? null : await context.cursors.load(channel.name, session)
    const isInbox = channel.kind === 'inbox' && qos > 0
    // What another client of the user has had counts for one that is new. One that says where it stands has had no more than that.
    const isNew = isInbox && own === null && request.position === undefined
    const stored = isNew ? await loadUserCursor(context.cursors, channel.name) : own
    const state = await readState(topic, request, stored)
    // A new client of a user starts at what none of the user's clients has acknowledged.
    const placed = place(isInbox ? { ...request, rewind: Infinity } : request, stored, state)
    const { start, verdict, gap } = await isVouched(request, placed, stored, state) ? placed : atHead(placed, stored, state)
    const subscription = new Subscription(context.subscription, topic, { ...request, slow: channel.rules.slow }, { ...start, fresh: start.fresh || own === null })
    // What the node heard between the read and its answer, nobody told this subscription.
    if (topic.newest !== null) subscription.hearHead(topic.newest)
    if (gap !== undefined) {
      context.subscription.counters.gaps++
      topic.hooks.gap?.({ channel: channel.name, client, gap: { channel: channel.name, ...gap, position: start.position } })
    }
    return { subscription, verdict: { channel: channel.wire, qos, verdict, position: start.position, ...(gap === undefined ? {} : { gap }) } }
  } catch (error) {
    context.hub.leave(topic)
    throw error
  }
}

// Where nothing is missing, what others were told a moment ago will do: what came since, the topic has heard or will hear. Otherwise the log itself must say.
async function readState (topic: Topic, { position, qos }: SubscribeRequest, stored: Position | null): Promise<LogState> {
  const known = [position ?? stored, stored].filter((each) => each !== null)
  if (qos > 0 && known.length > 0) {
    const state = await topic.recent()
    if (known.every((each) => resume(each, state).gap === undefined)) return state
  }
  return await topic.state()
}

// The greater of the two counts. A client whose position is of another epoch has yet to hear of the change, wherever its cursor stands.
function resumeFurthest (known: Position, stored: Position | null, state: LogState): Resumption {
  if (known.epoch === state.epoch) return resume(later(known, stored), state)
  const { position, ...told } = resume(known, state)
  return { position: later(position, stored), ...told }
}

interface Placed {
  readonly start: Start
  readonly verdict: SubscriptionVerdict['verdict']
  readonly gap?: NonNullable<Resumption['gap']>
}

// A client may say what it likes about where it had been. What the server knows vouches for it: the stored cursor, and what it sent on this connection.
// Whoever starts earlier than that reads the past.
async function isVouched ({ position, since, mayReadPast }: SubscribeRequest, { start }: Placed, stored: Position | null, state: LogState): Promise<boolean> {
  if (position === undefined || mayReadPast === undefined) return true
  const { offset } = start.position
  if (offset >= (stored === null ? state.head : resume(stored, state).position.offset)) return true
  if (since?.epoch === state.epoch && offset >= since.offset) return true
  return mayReadPast()
}

// Where the past is not for it. Of a log that was created anew it hears so; otherwise that nobody knows what it missed.
function atHead ({ gap }: Placed, stored: Position | null, { epoch, head }: LogState): Placed {
  const lost = { reason: gap?.reason === 'epoch' ? 'epoch' : 'unverified', from: null, to: null, count: null } as const
  return { start: { position: { epoch, offset: head }, head, acknowledged: stored, fresh: false, rewound: false }, verdict: 'lost', gap: lost }
}

/** Where a subscription starts. Pure. The greater of the client's and the stored position counts; a gap that the client has not heard of is told. */
export function place (request: Pick<SubscribeRequest, 'qos' | 'position' | 'rewind'>, stored: Position | null, state: LogState): Placed {
  const { epoch, head } = state
  const known = request.position ?? stored
  if (request.qos === 0 && known !== null) {
    // Whatever was missed at QoS 0 stays missed.
    return { start: { position: { epoch, offset: head }, head, acknowledged: null, fresh: false, rewound: false }, verdict: 'resumed' }
  }
  if (known === null) {
    const rewind = request.rewind ?? 0
    const position = { epoch, offset: Math.max(head - rewind, Math.min(state.first - 1, head)) }
    return { start: { position, head, acknowledged: position, fresh: true, rewound: rewind > 0 }, verdict: 'started' }
  }
  const { position, gap } = resumeFurthest(known, stored, state)
  const start = { position, head, acknowledged: stored, fresh: false, rewound: false }
  return gap === undefined ? { start, verdict: 'resumed' } : { start, verdict: 'lost', gap }
}
