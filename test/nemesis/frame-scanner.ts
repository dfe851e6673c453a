/** A WebSocket frame that has just come to its end. */
export interface Passed {
  /** Where its last byte's successor lies in the chunk, and its first byte, or 0 if that came earlier. */
  readonly end: number
  readonly start: number
  /** What it says; `null` for control frames and the HTTP head. */
  readonly says: Says | null
}

/** As much of a protocol frame as the nemesis wants to know. */
export interface Says {
  readonly type: string
  readonly count?: number
  readonly messages?: readonly unknown[]
}

/** Reads along one direction of a WebSocket connection, from the HTTP head on: unfragmented text frames, masked or not. */
export class FrameScanner {
  #rest: Buffer = Buffer.alloc(0)
  #upgraded = false

  /** The frames that end in this chunk. */
  push (chunk: Buffer): Passed[] {
    const before = this.#rest.length
    const buffer = before === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const passed: Passed[] = []
    let at = 0
    for (let end = this.#endOf(buffer, at); end !== -1; end = this.#endOf(buffer, at)) {
      passed.push({ start: Math.max(0, at - before), end: end - before, says: this.#upgraded ? read(buffer.subarray(at, end)) : null })
      this.#upgraded = true
      at = end
    }
    this.#rest = buffer.subarray(at)
    return passed
  }

  #endOf (buffer: Buffer, at: number): number {
    if (!this.#upgraded) {
      const head = buffer.indexOf('\r\n\r\n')
      return head === -1 ? -1 : head + 4
    }
    const frame = measure(buffer.subarray(at))
    return frame === null ? -1 : at + frame.end
  }
}

// RFC 6455, 5.2.
function measure (frame: Buffer): { isMasked: boolean, payload: number, end: number } | null {
  if (frame.length < 2) return null
  const isMasked = (frame[1] as number) > 127
  const short = (frame[1] as number) & 127
  const head = (short < 126 ? 2 : short === 126 ? 4 : 10)
  const payload = head + (isMasked ? 4 : 0)
  if (frame.length < payload) return null
  const length = short < 126 ? short : short === 126 ? frame.readUInt16BE(2) : Number(frame.readBigUInt64BE(2))
  return frame.length < payload + length ? null : { isMasked, payload, end: payload + length }
}

function read (frame: Buffer): Says | null {
  if (((frame[0] as number) & 15) !== 1) return null
  const { isMasked, payload, end } = measure(frame) as { isMasked: boolean, payload: number, end: number }
  if (!isMasked) return JSON.parse(frame.toString('utf8', payload, end)) as Says
  const key = frame.subarray(payload - 4, payload)
  const text = Buffer.from(frame.subarray(payload, end).map((byte, i) => byte ^ (key[i & 3] as number)))
  return JSON.parse(text.toString('utf8')) as Says
}
