import Type, { type Static } from 'typebox'
import {
  ChannelPositionSchema, ChannelSchema, EpochSchema, MemberIdSchema, NameSchema, OffsetSchema, PingSchema, PongSchema, PositionSchema,
  QoSSchema, RequestIdSchema, SecretSchema, TokenTextSchema, type PingFrame, type PongFrame
} from './frame-parts.js'

const subscriptionFields = {
  channel: ChannelSchema,
  qos: QoSSchema,
  position: Type.Optional(PositionSchema),
  rewind: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 }))
}
const SubscriptionRequestSchema = Type.Object(subscriptionFields)
/** What a client asks for when it subscribes. */
export type SubscriptionRequest = Static<typeof SubscriptionRequestSchema>

export const HelloSchema = Type.Object({
  type: Type.Literal('hello'),
  session: SecretSchema,
  clientId: Type.Optional(NameSchema),
  token: Type.Optional(TokenTextSchema),
  subscriptions: Type.Optional(Type.Array(SubscriptionRequestSchema, { maxItems: 10_000 }))
})

export const SubscribeSchema = Type.Object({ type: Type.Literal('subscribe'), id: RequestIdSchema, ...subscriptionFields })

export const UnsubscribeSchema = Type.Object({ type: Type.Literal('unsubscribe'), id: RequestIdSchema, channel: ChannelSchema })

export const PublishSchema = Type.Object({
  type: Type.Literal('publish'),
  channel: ChannelSchema,
  qos: QoSSchema,
  /** For QoS 1 and 2. */
  sequence: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  /** Starts or restarts this publisher's run in the channel. */
  publisher: Type.Optional(SecretSchema),
  id: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  ttl: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  data: Type.Unknown()
})

export const AckSchema = Type.Object({
  type: Type.Literal('ack'),
  positions: Type.Array(ChannelPositionSchema, { maxItems: 10_000 })
})

export const DropSchema = Type.Object({
  type: Type.Literal('drop'),
  channel: ChannelSchema,
  epoch: EpochSchema,
  offset: OffsetSchema
})

export const HistorySchema = Type.Object({
  type: Type.Literal('history'),
  id: RequestIdSchema,
  channel: ChannelSchema,
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  before: Type.Optional(PositionSchema),
  after: Type.Optional(PositionSchema),
  reverse: Type.Optional(Type.Boolean())
})

export const UnreadSchema = Type.Object({ type: Type.Literal('unread'), id: RequestIdSchema, channel: ChannelSchema })

export const TokenSchema = Type.Object({ type: Type.Literal('token'), id: RequestIdSchema, token: TokenTextSchema })

export const EnterSchema = Type.Object({ type: Type.Literal('enter'), id: RequestIdSchema, channel: ChannelSchema, data: Type.Optional(Type.Unknown()) })

export const LeaveSchema = Type.Object({ type: Type.Literal('leave'), id: RequestIdSchema, channel: ChannelSchema })

export const PresenceSchema = Type.Object({
  type: Type.Literal('presence'),
  id: RequestIdSchema,
  channel: ChannelSchema,
  limit: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  after: Type.Optional(MemberIdSchema)
})

/** The frames a client sends, by type. */
export const clientFrames = {
  hello: HelloSchema,
  subscribe: SubscribeSchema,
  unsubscribe: UnsubscribeSchema,
  publish: PublishSchema,
  ack: AckSchema,
  drop: DropSchema,
  history: HistorySchema,
  unread: UnreadSchema,
  token: TokenSchema,
  enter: EnterSchema,
  leave: LeaveSchema,
  presence: PresenceSchema,
  ping: PingSchema,
  pong: PongSchema
}

export type HelloFrame = Static<typeof HelloSchema>
export type SubscribeFrame = Static<typeof SubscribeSchema>
export type UnsubscribeFrame = Static<typeof UnsubscribeSchema>
export type PublishFrame = Static<typeof PublishSchema>
export type AckFrame = Static<typeof AckSchema>
export type DropFrame = Static<typeof DropSchema>
export type HistoryFrame = Static<typeof HistorySchema>
export type UnreadFrame = Static<typeof UnreadSchema>
export type TokenFrame = Static<typeof TokenSchema>
export type EnterFrame = Static<typeof EnterSchema>
export type LeaveFrame = Static<typeof LeaveSchema>
export type PresenceFrame = Static<typeof PresenceSchema>
export type ClientFrame = HelloFrame | SubscribeFrame | UnsubscribeFrame | PublishFrame | AckFrame | DropFrame | HistoryFrame | UnreadFrame | TokenFrame |
  EnterFrame | LeaveFrame | PresenceFrame | PingFrame | PongFrame
