// Every frame of the protocol, stated once. Types, validation and the check of PROTOCOL.md come from here.
// Unknown fields are ignored, so that either side may be the newer one.
export * from './client-frames.js'
export * from './server-frames.js'
export { PingSchema, PongSchema, PositionSchema, type ChannelPosition, type PingFrame, type PongFrame } from './frame-parts.js'
