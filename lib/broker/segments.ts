import type { StoredRecord } from '../../types/storage.js'

/** Consecutive records to send, or, with `bodies` null, a hole on purpose. */
export interface Segment {
  readonly from: number
  readonly to: number
  readonly bodies: readonly Uint8Array[] | null
}

/**
 * Cuts records read from the log into runs to send and holes to step over, in turn. Together they cover every offset: whatever is
 * not sent must not look like loss. Expired records are holes; so are QoS 0 ones beyond `rewound`, which are not
 * sent a second time once they may have been sent live.
 */
export function segments (from: number, records: readonly StoredRecord[], rewound: number): Segment[] {
  const found: { from: number, to: number, bodies: Uint8Array[] | null }[] = []
  records.forEach(({ body, qos }, i) => {
    const offset = from + i
    const sendable = body !== null && (qos > 0 || offset <= rewound) ? body : null
    const last = found.at(-1)
    if (last !== undefined && (last.bodies === null) === (sendable === null)) {
      last.to = offset
      if (sendable !== null) last.bodies?.push(sendable)
    } else {
      found.push({ from: offset, to: offset, bodies: sendable === null ? null : [sendable] })
    }
  })
  return found
}
