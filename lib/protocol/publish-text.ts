import type { PublishFrame } from './frames.js'

// Strings in which nothing is escaped, and numbers that are safe. No nested quantifiers: it takes linear time.
// eslint-disable-next-line no-control-regex
const HEAD = /^\{"type":"publish","channel":"([^"\\\x00-\x1f]{1,255})","qos":([012])(?:,"publisher":"([A-Za-z0-9_-]{16,64})")?(?:,"sequence":([1-9]\d{0,14}))?(?:,"id":"([^"\\\x00-\x1f]{1,128})")?(?:,"ttl":([1-9]\d{0,14}))?,"data":/

const START = '{"type":"publish",'

/**
 * Reads a publish as clients write it, so that only its data has to be parsed as JSON: of what takes time it is the most frequent frame.
 * `null` for any other text, also for what is written differently or wrong: those are for the decoder of all frames.
 */
export function readPublish (text: string): PublishFrame | null {
  if (!text.startsWith(START) || !text.endsWith('}')) return null
  const head = HEAD.exec(text)
  if (head === null) return null
  const [{ length }, channel, qos, publisher, sequence, id, ttl] = head
  let data: unknown
  try {
    data = JSON.parse(text.slice(length, -1))
  } catch {
    return null
  }
  const frame: PublishFrame = { type: 'publish', channel: channel as string, qos: Number(qos) as 0 | 1 | 2, data }
  if (publisher !== undefined) frame.publisher = publisher
  if (sequence !== undefined) frame.sequence = Number(sequence)
  if (id !== undefined) frame.id = id
  if (ttl !== undefined) frame.ttl = Number(ttl)
  return frame
}
