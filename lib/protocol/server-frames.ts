import Type, { type Static } from 'typebox'
import {
  ChannelPositionSchema, ChannelSchema, EpochSchema, MemberIdSchema, NameSchema, OffsetSchema, PingSchema, PongSchema, PositionSchema,
  QoSSchema, RequestIdSchema, type PingFrame, type PongFrame
} from './frame-parts.js'

const CodeSchema = Type.String({ pattern: '^PUSH_[A-Z_]+$' })
/** Which limit was exceeded, where a code says that one was. */
const LimitSchema = Type.Optional(Type.String({ minLength: 1 }))

const NullableOffsetSchema = Type.Union([OffsetSchema, Type.Null()])
const LostSchema = Type.Object({
  reason: Type.Union([Type.Literal('retention'), Type.Literal('epoch'), Type.Literal('unverified'), Type.Literal('slow')]),
  from: NullableOffsetSchema,
  to: NullableOffsetSchema,
  count: NullableOffsetSchema
})

const VerdictFields = {
  channel: ChannelSchema,
  qos: QoSSchema,
  verdict: Type.Union([Type.Literal('started'), Type.Literal('resumed'), Type.Literal('lost')]),
  /** Where the subscription stands; the next record follows it. */
  position: PositionSchema,
  /** With `lost`. */
  gap: Type.Optional(LostSchema)
}
const VerdictSchema = Type.Object(VerdictFields)
const RefusedSubscriptionSchema = Type.Object({ channel: ChannelSchema, code: CodeSchema, limit: LimitSchema })
/** How a subscription goes on after connecting. */
export type SubscriptionVerdict = Static<typeof VerdictSchema>
/** A subscription of the hello that was refused. */
export type RefusedSubscription = Static<typeof RefusedSubscriptionSchema>

const ExpiresInSchema = Type.Integer({ minimum: 0 })

export const WelcomeSchema = Type.Object({
  type: Type.Literal('welcome'),
  clientId: NameSchema,
  /** Whether the session was still known: a resend of its publishers is recognised. */
  resumed: Type.Boolean(),
  /** Milliseconds the session outlives the connection. */
  sessionTtl: Type.Integer({ minimum: 0 }),
  /** Milliseconds until the identity ends, and the connection with it. Absent: it does not. */
  expiresIn: Type.Optional(ExpiresInSchema),
  /** The server sends a frame at least this often, in milliseconds; silence of `interval + timeout` is suspect. */
  heartbeat: Type.Object({ interval: Type.Integer({ minimum: 1 }), timeout: Type.Integer({ minimum: 1 }) }),
  /** If this server vanishes, come back at a random moment within this many milliseconds. */
  spread: Type.Integer({ minimum: 0 }),
  limits: Type.Object({ frameBytes: Type.Integer({ minimum: 1 }), publishesInFlight: Type.Integer({ minimum: 1 }) }),
  subscriptions: Type.Array(Type.Union([VerdictSchema, RefusedSubscriptionSchema]))
})

export const SubscribedSchema = Type.Object({
  type: Type.Literal('subscribed'),
  /** Absent where the client has not asked for it. */
  id: Type.Optional(RequestIdSchema),
  ...VerdictFields
})

export const UnsubscribedSchema = Type.Object({
  type: Type.Literal('unsubscribed'),
  /** Absent where the client has not asked for it: then `code` says why. */
  id: Type.Optional(RequestIdSchema),
  channel: ChannelSchema,
  code: Type.Optional(CodeSchema)
})

export const MessageBodySchema = Type.Object({
  id: Type.String(),
  qos: QoSSchema,
  timestamp: Type.Integer(),
  publisher: Type.Optional(Type.Object({ clientId: Type.String(), userId: Type.Optional(Type.String()) })),
  data: Type.Unknown()
})
/** A message as it is encoded: once, where it was published. Its place is not in it. */
export type MessageBody = Static<typeof MessageBodySchema>

export const MessagesSchema = Type.Object({
  type: Type.Literal('messages'),
  channel: ChannelSchema,
  /** With `from`: absent on messages that have no place in the log. */
  epoch: Type.Optional(EpochSchema),
  from: Type.Optional(OffsetSchema),
  messages: Type.Array(MessageBodySchema, { minItems: 1 })
})

export const SkipSchema = Type.Object({
  type: Type.Literal('skip'),
  channel: ChannelSchema,
  epoch: EpochSchema,
  from: OffsetSchema,
  to: OffsetSchema
})

export const GapSchema = Type.Object({
  type: Type.Literal('gap'),
  channel: ChannelSchema,
  ...LostSchema.properties,
  position: PositionSchema
})

export const PublishedSchema = Type.Object({
  type: Type.Literal('published'),
  channel: ChannelSchema,
  /** The first sequence acknowledged; `count` of them, at as many consecutive offsets. */
  sequence: Type.Integer({ minimum: 1 }),
  count: Type.Integer({ minimum: 1 }),
  epoch: Type.Optional(EpochSchema),
  offset: Type.Optional(OffsetSchema),
  duplicate: Type.Optional(Type.Boolean())
})

export const RefusedSchema = Type.Object({
  type: Type.Literal('refused'),
  channel: ChannelSchema,
  sequence: Type.Integer({ minimum: 1 }),
  code: CodeSchema,
  text: Type.Optional(Type.String())
})

export const ConfirmedSchema = Type.Object({ type: Type.Literal('confirmed'), positions: Type.Array(ChannelPositionSchema) })

export const HistoryReplySchema = Type.Object({
  type: Type.Literal('history'),
  id: RequestIdSchema,
  channel: ChannelSchema,
  epoch: EpochSchema,
  head: OffsetSchema,
  messages: Type.Array(Type.Object({ offset: OffsetSchema, ...MessageBodySchema.properties })),
  next: Type.Union([PositionSchema, Type.Null()])
})

export const UnreadReplySchema = Type.Object({
  type: Type.Literal('unread'),
  id: RequestIdSchema,
  channel: ChannelSchema,
  /** Messages after the cursor. */
  count: Type.Integer({ minimum: 0 })
})

export const TokenReplySchema = Type.Object({ type: Type.Literal('token'), id: RequestIdSchema, expiresIn: Type.Optional(ExpiresInSchema) })

export const EnteredSchema = Type.Object({ type: Type.Literal('entered'), id: RequestIdSchema, channel: ChannelSchema })

export const LeftSchema = Type.Object({ type: Type.Literal('left'), id: RequestIdSchema, channel: ChannelSchema })

const MemberSchema = Type.Object({ id: MemberIdSchema, clientId: Type.String(), userId: Type.Optional(Type.String()), data: Type.Optional(Type.Unknown()) })

export const PresenceReplySchema = Type.Object({
  type: Type.Literal('presence'),
  id: RequestIdSchema,
  channel: ChannelSchema,
  members: Type.Array(MemberSchema),
  /** What to pass as `after` for the next page. */
  next: Type.Union([MemberIdSchema, Type.Null()]),
  counts: Type.Object({ users: Type.Integer({ minimum: 0 }), connections: Type.Integer({ minimum: 0 }) }),
  /** Where in the presence log the page holds. */
  epoch: EpochSchema,
  offset: OffsetSchema
})

/** The data of a message in a presence log. */
export const PresenceEventSchema = Type.Object({
  cause: Type.Union([Type.Literal('join'), Type.Literal('back'), Type.Literal('update'), Type.Literal('leave'), Type.Literal('timeout')]),
  member: MemberSchema
})

export const ErrorSchema = Type.Object({
  type: Type.Literal('error'),
  id: Type.Optional(RequestIdSchema),
  channel: Type.Optional(ChannelSchema),
  code: CodeSchema,
  limit: LimitSchema,
  text: Type.String()
})

export const GoodbyeSchema = Type.Object({
  type: Type.Literal('goodbye'),
  code: CodeSchema,
  limit: LimitSchema,
  /** For people: what the host said. */
  reason: Type.Optional(Type.String({ maxLength: 256 })),
  /** Come back at a random moment in this range of milliseconds from now. Absent: by the code's own rule. */
  after: Type.Optional(Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 0 })]))
})

/** The frames a server sends, by type. */
export const serverFrames = {
  welcome: WelcomeSchema,
  subscribed: SubscribedSchema,
  unsubscribed: UnsubscribedSchema,
  messages: MessagesSchema,
  skip: SkipSchema,
  gap: GapSchema,
  published: PublishedSchema,
  refused: RefusedSchema,
  confirmed: ConfirmedSchema,
  history: HistoryReplySchema,
  unread: UnreadReplySchema,
  token: TokenReplySchema,
  entered: EnteredSchema,
  left: LeftSchema,
  presence: PresenceReplySchema,
  error: ErrorSchema,
  ping: PingSchema,
  pong: PongSchema,
  goodbye: GoodbyeSchema
}

export type WelcomeFrame = Static<typeof WelcomeSchema>
export type SubscribedFrame = Static<typeof SubscribedSchema>
export type UnsubscribedFrame = Static<typeof UnsubscribedSchema>
export type MessagesFrame = Static<typeof MessagesSchema>
export type SkipFrame = Static<typeof SkipSchema>
export type GapFrame = Static<typeof GapSchema>
export type PublishedFrame = Static<typeof PublishedSchema>
export type RefusedFrame = Static<typeof RefusedSchema>
export type ConfirmedFrame = Static<typeof ConfirmedSchema>
export type HistoryReplyFrame = Static<typeof HistoryReplySchema>
export type UnreadReplyFrame = Static<typeof UnreadReplySchema>
export type TokenReplyFrame = Static<typeof TokenReplySchema>
export type EnteredFrame = Static<typeof EnteredSchema>
export type LeftFrame = Static<typeof LeftSchema>
export type PresenceReplyFrame = Static<typeof PresenceReplySchema>
export type PresenceEventData = Static<typeof PresenceEventSchema>
export type ErrorFrame = Static<typeof ErrorSchema>
export type GoodbyeFrame = Static<typeof GoodbyeSchema>
export type ServerFrame = WelcomeFrame | SubscribedFrame | UnsubscribedFrame | MessagesFrame | SkipFrame | GapFrame | PublishedFrame |
  RefusedFrame | ConfirmedFrame | HistoryReplyFrame | UnreadReplyFrame | TokenReplyFrame | EnteredFrame | LeftFrame | PresenceReplyFrame |
  ErrorFrame | PingFrame | PongFrame | GoodbyeFrame
