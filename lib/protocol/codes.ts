/**
 * Whether to come back after a code:
 * - `never`: the same thing again would end the same way.
 * - `now`: at once, with what the text asks for (a new token, a new connection).
 * - `later`: after a delay that grows, with jitter.
 */
export type Retry = 'never' | 'now' | 'later'

export interface CodeRow {
  /** The WebSocket close code, where the code can end a connection. 4000–4999 are an application's own (RFC 6455, 7.4.2). */
  readonly close: number | null
  /** The HTTP status, where the code leaves through HTTP. */
  readonly status: number
  readonly retry: Retry
  /** For people. Not API. */
  readonly text: string
}

/**
 * The one table of codes: what the server closes with, what errors carry, and what a client's decision to come back reads.
 * PROTOCOL.md's table is compared with it by a test.
 */
export const codes = {
  // ---- a connection ends
  PUSH_CLOSED: { close: 1000, status: 499, retry: 'never', text: 'closed by its own side' },
  PUSH_GOING_AWAY: { close: 1012, status: 503, retry: 'later', text: 'the server is stopping or restarting' },
  PUSH_BAD_FRAME: { close: 4400, status: 400, retry: 'never', text: 'a frame that breaks the protocol' },
  PUSH_UNAUTHENTICATED: { close: 4401, status: 401, retry: 'never', text: 'not authenticated' },
  PUSH_FORBIDDEN: { close: 4403, status: 403, retry: 'never', text: 'not allowed' },
  PUSH_VERSION: { close: 4406, status: 400, retry: 'never', text: 'no common protocol version' },
  PUSH_TIMEOUT: { close: 4408, status: 408, retry: 'later', text: 'no frame in time' },
  PUSH_SUPERSEDED: { close: 4409, status: 409, retry: 'never', text: 'another connection took this session over' },
  PUSH_TOO_LARGE: { close: 4413, status: 413, retry: 'never', text: 'larger than the limit' },
  PUSH_TOO_MANY: { close: 4429, status: 429, retry: 'later', text: 'more than the limit' },
  PUSH_EXPIRED: { close: 4440, status: 401, retry: 'now', text: 'the identity has run out' },
  PUSH_INTERNAL: { close: 4500, status: 500, retry: 'later', text: 'an error of the server' },
  PUSH_UNAVAILABLE: { close: 4503, status: 503, retry: 'later', text: 'cannot be served now' },
  // ---- a request is refused
  PUSH_CHANNEL_INVALID: { close: null, status: 400, retry: 'never', text: 'not a channel name' },
  PUSH_CHANNEL_UNKNOWN: { close: null, status: 404, retry: 'never', text: 'no such channel is declared' },
  PUSH_CHANNEL_AMBIGUOUS: { close: null, status: 500, retry: 'never', text: 'two channel patterns match the same names' },
  PUSH_NO_HISTORY: { close: null, status: 403, retry: 'never', text: 'the channel keeps no history' },
  PUSH_NO_PRESENCE: { close: null, status: 403, retry: 'never', text: 'the channel has no members' },
  PUSH_INVALID: { close: null, status: 400, retry: 'never', text: 'invalid argument' },
  PUSH_HELD: { close: null, status: 409, retry: 'never', text: 'another client of the user reads it; you will be told when it is your turn' },
  PUSH_ID_CONFLICT: { close: null, status: 409, retry: 'never', text: 'the id was used for another message' },
  PUSH_BUSY: { close: null, status: 503, retry: 'later', text: 'too much work is waiting' },
  PUSH_ABORTED: { close: null, status: 499, retry: 'never', text: 'given up by the caller before it was sent' },
  PUSH_OFFLINE: { close: null, status: 503, retry: 'later', text: 'not connected' },
  PUSH_OUTBOX_FULL: { close: null, status: 503, retry: 'later', text: 'too many messages wait to be sent' },
  // ---- the outcome is unknown: it may have happened
  PUSH_UNKNOWN: { close: null, status: 504, retry: 'later', text: 'it may have been stored' },
  // ---- storage
  PUSH_STORAGE_CLOSED: { close: null, status: 503, retry: 'later', text: 'the storage is not open' },
  PUSH_STORAGE_UNAVAILABLE: { close: null, status: 503, retry: 'later', text: 'the storage does not answer; nothing changed' },
  PUSH_STORAGE_UNKNOWN: { close: null, status: 504, retry: 'later', text: 'the storage did not answer; it may have happened' },
  PUSH_STORAGE_FULL: { close: null, status: 507, retry: 'never', text: 'the storage cannot hold it' },
  // ---- a subscriber
  PUSH_HANDLER_FAILED: { close: null, status: 500, retry: 'never', text: 'a handler failed too often; the message was given up' },
  // ---- at start
  PUSH_OPTIONS: { close: null, status: 500, retry: 'never', text: 'invalid options' },
  PUSH_REGISTERED: { close: null, status: 500, retry: 'never', text: 'the plugin is registered already' }
} as const satisfies Record<string, CodeRow>

/** A code of {@link codes}. */
export type Code = keyof typeof codes

/** Whether a string from outside is one of the codes. */
export function isCode (value: unknown): value is Code {
  return typeof value === 'string' && Object.hasOwn(codes, value)
}

/** The code of a WebSocket close code, or `null` for one that is not ours. */
export function codeOfClose (close: number): Code | null {
  for (const [code, row] of Object.entries(codes)) {
    if (row.close === close) return code as Code
  }
  return null
}
