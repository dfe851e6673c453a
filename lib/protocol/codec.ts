import { Compile } from 'typebox/compile'
import { readAck } from './ack-text.js'
import { clientFrames, serverFrames, type ClientFrame, type ServerFrame } from './frames.js'
import { readPublish } from './publish-text.js'
import { MAX_DEPTH } from './version.js'

/** What came of decoding a text: a frame, a type this version does not know, or something that is no frame. */
export type Decoded<Frame> =
  | { readonly status: 'frame', readonly frame: Frame }
  | { readonly status: 'unknown', readonly type: string, readonly id?: number }
  | { readonly status: 'malformed', readonly why: string }

/** Decodes a frame that a client sent. Never throws. */
export const decodeClientFrame = decoder<ClientFrame>(clientFrames, (text) => readAck(text) ?? readPublish(text))

/** Decodes a frame that a server sent. Never throws. For tests and tools; the SDK trusts its server and checks less. */
export const decodeServerFrame = decoder<ServerFrame>(serverFrames)

// `frequent` reads the frames of which there are the most, or says that a text is none of them.
function decoder<Frame> (schemas: typeof clientFrames | typeof serverFrames, frequent: (text: string) => Frame | null = () => null): (text: string) => Decoded<Frame> {
  const validators = new Map(Object.entries(schemas).map(([type, schema]) => [type, Compile(schema)]))
  return (text) => {
    if (nestsDeeperThan(text, MAX_DEPTH)) return { status: 'malformed', why: `nested deeper than ${MAX_DEPTH}` }
    const frame = frequent(text)
    if (frame !== null) return { status: 'frame', frame }
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return { status: 'malformed', why: 'not JSON' }
    }
    if (typeof value !== 'object' || value === null) return { status: 'malformed', why: 'not an object' }
    const { type, id } = value as { type?: unknown, id?: unknown }
    if (typeof type !== 'string') return { status: 'malformed', why: "no 'type'" }
    const validator = validators.get(type)
    if (validator === undefined) {
      return { status: 'unknown', type: type.slice(0, 64), ...(Number.isSafeInteger(id) ? { id: id as number } : {}) }
    }
    if (!validator.Check(value)) return { status: 'malformed', why: `not a '${type}' frame` }
    return { status: 'frame', frame: value as Frame }
  }
}

/**
 * Whether brackets nest deeper than `max`, counted before parsing: what is parsed may be walked recursively later.
 * Brackets in strings do not count.
 */
export function nestsDeeperThan (text: string, max: number): boolean {
  if (text.length <= max || !hasMoreBrackets(text, max)) return false
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (inString) {
      if (code === 92) i++ // a backslash: whatever follows is part of the string
      else if (code === 34) inString = false
    } else if (code === 34) {
      inString = true
    } else if (code === 91 || code === 123) {
      if (++depth > max) return true
    } else if (code === 93 || code === 125) {
      depth--
    }
  }
  return false
}

// Whether more brackets open than that, wherever. Nearly every text is known to be shallow by this, without looking at each character.
function hasMoreBrackets (text: string, max: number): boolean {
  let found = 0
  for (const bracket of ['[', '{']) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      if (++found > max) return true
    }
  }
  return false
}
