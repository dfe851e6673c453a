import Type, { type Static } from 'typebox'

// What frames of clients and of servers are made of.

// Names of the plugin's own are longer where they hold another name, or a user's, escaped.
export const ChannelSchema = Type.String({ pattern: '^(?:[^$][^]{0,254}|\\$[^]{0,2399})$' })
export const QoSSchema = Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)])
export const OffsetSchema = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
export const EpochSchema = Type.String({ minLength: 1, maxLength: 64 })
export const RequestIdSchema = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
export const MemberIdSchema = Type.String({ minLength: 1, maxLength: 64 })
export const NameSchema = Type.String({ pattern: '^[A-Za-z0-9_.~@-]{1,128}$' })
export const TokenTextSchema = Type.String({ maxLength: 8192 })
export const SecretSchema = Type.String({ pattern: '^[A-Za-z0-9_-]{16,64}$' })

export const PositionSchema = Type.Object({ epoch: EpochSchema, offset: OffsetSchema })

export const ChannelPositionSchema = Type.Object({ channel: ChannelSchema, epoch: EpochSchema, offset: OffsetSchema })
/** A position and the channel it is in. */
export type ChannelPosition = Static<typeof ChannelPositionSchema>

// What either side sends.

export const PingSchema = Type.Object({ type: Type.Literal('ping') })
export const PongSchema = Type.Object({ type: Type.Literal('pong') })
export type PingFrame = Static<typeof PingSchema>
export type PongFrame = Static<typeof PongSchema>
