import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ClientsTarget, DisconnectCode } from '../../types/push.js'
import { PushError } from '../core/errors.js'
import { codes } from '../protocol/codes.js'

/** Longest reason of a disconnect, in characters. */
const MAX_REASON = 256

const TargetSchema = Type.Object({ userId: Type.Optional(Type.String()), clientId: Type.Optional(Type.String()) })

const CommandSchema = Type.Union([
  Type.Object({ do: Type.Literal('subscribe'), channel: Type.String(), qos: Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)]) }),
  Type.Object({ do: Type.Literal('unsubscribe'), channel: Type.String() }),
  // To nodes: what is for any one client of the user may be read.
  Type.Object({ do: Type.Literal('read') }),
  Type.Object({ do: Type.Literal('disconnect'), code: Type.String(), reason: Type.Optional(Type.String({ maxLength: MAX_REASON })) })
])
/** What is done to clients. */
export type Command = Static<typeof CommandSchema>

const OrderSchema = Type.Object({ node: Type.String(), target: TargetSchema, command: CommandSchema })
/** A command as the nodes tell it each other: whose it is, and whom it is for. */
export type Order = Static<typeof OrderSchema>

const orders = Compile(OrderSchema)

/** With what a host may end connections. Each says whether the client comes back. */
const disconnectCodes: readonly string[] = [
  'PUSH_GOING_AWAY', 'PUSH_EXPIRED', 'PUSH_UNAVAILABLE', 'PUSH_TOO_MANY', 'PUSH_UNAUTHENTICATED', 'PUSH_FORBIDDEN'
] satisfies DisconnectCode[]

export function encodeOrder (order: Order): Buffer {
  return Buffer.from(JSON.stringify(order))
}

/** `null` for what is no order, or one of a newer node that this one does not understand. */
export function decodeOrder (body: Uint8Array): Order | null {
  try {
    const order: unknown = JSON.parse(Buffer.from(body).toString('utf8'))
    return orders.Check(order) ? order as Order : null
  } catch {
    return null
  }
}

/** Checks whom a host means. Throws `PUSH_INVALID`. */
export function readTarget (target: ClientsTarget): ClientsTarget {
  const entries = Object.entries(target ?? {})
  const isTarget = entries.length > 0 && entries.every(([key, value]) => (key === 'userId' || key === 'clientId') && typeof value === 'string' && value !== '')
  if (!isTarget) throw new PushError('PUSH_INVALID', 'clients are named by a userId, a clientId, or both')
  return { ...target }
}

/** Checks how a host wants to disconnect. Throws `PUSH_INVALID`. */
export function readDisconnect ({ code = 'PUSH_GOING_AWAY', reason }: { code?: DisconnectCode, reason?: string } = {}): Command {
  if (!disconnectCodes.includes(code)) throw new PushError('PUSH_INVALID', `code must be one of ${disconnectCodes.join(', ')}`)
  if (reason !== undefined && !(typeof reason === 'string' && reason.length <= MAX_REASON)) throw new PushError('PUSH_INVALID', `reason must be a string of ${MAX_REASON} characters at most`)
  return { do: 'disconnect', code, ...(reason === undefined ? {} : { reason }) }
}

/** Whether a code is one of them, also when another node says so. */
export function isDisconnectCode (code: string): code is DisconnectCode {
  return disconnectCodes.includes(code) && Object.hasOwn(codes, code)
}
