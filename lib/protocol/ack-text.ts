import type { AckFrame, ChannelPosition } from './frames.js'

const HEAD = '{"type":"ack","positions":['

// Strings in which nothing is escaped, and a number that is safe; then a comma or the end. No nested quantifiers: it takes linear time.
// eslint-disable-next-line no-control-regex
const POSITION = /\{"channel":"([^"\\\x00-\x1f]{1,255})","epoch":"([^"\\\x00-\x1f]{1,64})","offset":(0|[1-9]\d{0,14})\}(,|\]\}$)/y

/** The most positions of one acknowledgement. */
const MAX_POSITIONS = 10_000

/**
 * Reads an acknowledgement as clients write it, without parsing JSON: it is the frame of which there are the most. `null` for any
 * other text, also for acknowledgements that are written differently: those are for the decoder of all frames.
 */
export function readAck (text: string): AckFrame | null {
  if (!text.startsWith(HEAD)) return null
  const positions: ChannelPosition[] = []
  POSITION.lastIndex = HEAD.length
  for (;;) {
    const found = POSITION.exec(text)
    if (found === null || positions.length === MAX_POSITIONS) return null
    positions.push({ channel: found[1] as string, epoch: found[2] as string, offset: Number(found[3]) })
    if (found[4] !== ',') return { type: 'ack', positions }
  }
}
