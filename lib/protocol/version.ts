/** The WebSocket subprotocol, which is the version of the protocol. PROTOCOL.md 1. */
export const SUBPROTOCOL = 'fastify-push.1'

/**
 * Begins a second offered subprotocol that carries the hello: this, then the frame's UTF-8 JSON in base64url without
 * padding. The server never selects it. PROTOCOL.md 2.
 */
export const HELLO_PREFIX = 'fastify-push.hello.'

/** Longest offered subprotocol that carries a hello, in characters. A longer hello travels as the first frame. */
export const MAX_HELLO_HEADER = 4096

/** Deepest nesting of arrays and objects in a frame. */
export const MAX_DEPTH = 64
