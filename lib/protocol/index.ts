/** The wire: frames, codes and version. PROTOCOL.md is the document. */
export * from './codes.js'
export * from './frames.js'
export * from './version.js'
export { decodeClientFrame, decodeServerFrame, type Decoded } from './codec.js'
