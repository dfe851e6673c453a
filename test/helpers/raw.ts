import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { constants, inflateRawSync } from 'node:zlib'
import { SUBPROTOCOL } from '../../lib/protocol/version.js'

export interface RawFrame {
  readonly opcode: number
  /** RSV1. */
  readonly compressed: boolean
  readonly payload: Buffer
}

/** The text of a frame, inflated by itself if need be. */
export function textOf ({ compressed, payload }: RawFrame): string {
  if (!compressed) return String(payload)
  return String(inflateRawSync(Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]), { finishFlush: constants.Z_SYNC_FLUSH }))
}

/** What may be wrong with a frame. All of it is right unless said otherwise. */
export interface FrameShape {
  readonly opcode?: number
  readonly fin?: boolean
  /** The three reserved bits. */
  readonly rsv?: number
  readonly masked?: boolean
  readonly payload?: Uint8Array | string
  /** What the header claims; 8 bytes long if it is a bigint. */
  readonly length?: bigint
}

export const TEXT = 1
export const BINARY = 2
export const CLOSE = 8
export const PING = 9

/** One frame of a client, byte for byte. */
export function clientFrame ({ opcode = TEXT, fin = true, rsv = 0, masked = true, payload = '', length }: FrameShape): Buffer {
  const data = Buffer.from(payload as Uint8Array)
  const mask = randomBytes(4)
  const claimed = length ?? BigInt(data.length)
  const bit = masked ? 0x80 : 0
  const head = Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode])
  const body = masked ? Buffer.concat([mask, data.map((byte, i) => byte ^ (mask[i % 4] as number))]) : data
  return Buffer.concat([head, lengthOf(claimed, bit, length !== undefined), body])
}

function lengthOf (length: bigint, bit: number, long: boolean): Buffer {
  if (!long && length < 126n) return Buffer.from([bit | Number(length)])
  const bytes = Buffer.alloc(long || length > 0xffffn ? 9 : 3)
  if (bytes.length === 3) {
    bytes[0] = bit | 126
    bytes.writeUInt16BE(Number(length), 1)
  } else {
    bytes[0] = bit | 127
    bytes.writeBigUInt64BE(length, 1)
  }
  return bytes
}

/** Cuts what a server sent into frames. Returns what is left. */
export function serverFrames (bytes: Buffer, found: RawFrame[]): Buffer {
  while (bytes.length >= 2) {
    const short = (bytes[1] as number) & 127
    const head = short === 126 ? 4 : short === 127 ? 10 : 2
    if (bytes.length < head) break
    const length = head === 2 ? short : head === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    if (bytes.length < head + length) break
    found.push({ opcode: (bytes[0] as number) & 15, compressed: ((bytes[0] as number) & 0x40) !== 0, payload: bytes.subarray(head, head + length) })
    bytes = bytes.subarray(head + length)
  }
  return bytes
}

export interface RawClientOptions {
  readonly path?: string
  readonly protocols?: readonly string[]
  /** Offered. */
  readonly extensions?: string
  /** Sent in the same segment as the upgrade request. */
  readonly extra?: Buffer
  /** Sent before the upgrade request: other requests, whose answers are no frames. Each waits for the answer to the one before, which is one segment. */
  readonly before?: readonly Buffer[]
}

/** A TCP socket that has upgraded, or not, and does what no WebSocket library would. */
export class RawClient {
  readonly socket: Socket
  readonly frames: RawFrame[] = []
  /** Resolves with the answer to the upgrade: its head. */
  readonly answered: Promise<string>
  /** Resolves when the server has ended it. */
  readonly gone: Promise<void>
  #rest = Buffer.alloc(0)
  #upgraded = false
  #over = false
  #wake = (): void => {}

  constructor (port: number, { path = '/push', protocols = [SUBPROTOCOL], extensions, extra = Buffer.alloc(0), before = [] }: RawClientOptions = {}) {
    this.socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    this.socket.on('error', () => {})
    this.gone = new Promise((resolve) => {
      const over = () => { this.#over = true; resolve(); this.#wake() }
      this.socket.on('end', over).on('close', over)
    })
    const head = [
      `GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, ...protocols.length > 0 ? [`Sec-WebSocket-Protocol: ${protocols.join(', ')}`] : [],
      ...extensions === undefined ? [] : [`Sec-WebSocket-Extensions: ${extensions}`], '', ''
    ].join('\r\n')
    const upgrade = (): void => { this.socket.write(Buffer.concat([Buffer.from(head), extra])) }
    this.answered = new Promise((resolve) => {
      this.#ask(before, () => {
        this.socket.on('data', (bytes) => this.#hear(bytes, resolve))
        upgrade()
      })
    })
  }

  // One request after the other, on the same socket.
  #ask ([first, ...rest]: readonly Buffer[], then: () => void): void {
    if (first === undefined) return then()
    this.socket.once('data', () => this.#ask(rest, then))
    this.socket.write(first)
  }

  #hear (bytes: Buffer, resolve: (head: string) => void): void {
    this.#rest = Buffer.concat([this.#rest, bytes])
    if (!this.#upgraded) {
      const end = this.#rest.indexOf('\r\n\r\n')
      if (end === -1) return
      this.#upgraded = true
      resolve(this.#rest.subarray(0, end).toString())
      this.#rest = this.#rest.subarray(end + 4)
    }
    this.#rest = Buffer.from(serverFrames(this.#rest, this.frames))
    this.#wake()
  }

  write (...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  text (text: string): void {
    this.write(clientFrame({ payload: text }))
  }

  /** The first frame that fits, once it is there. Rejects if the socket goes before. */
  async until (wants: (frame: RawFrame) => boolean): Promise<RawFrame> {
    for (;;) {
      const found = this.frames.find(wants)
      if (found !== undefined) return found
      if (this.#over) throw new Error('the socket is gone')
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }

  /** The first text frame of a type. */
  async json (type: string): Promise<Record<string, unknown>> {
    const found = await this.until((frame) => frame.opcode === TEXT && JSON.parse(textOf(frame)).type === type)
    return JSON.parse(textOf(found)) as Record<string, unknown>
  }

  /** The code of the server's close frame. */
  async closeCode (): Promise<number> {
    const { payload } = await this.until(({ opcode }) => opcode === CLOSE)
    return payload.length < 2 ? 1005 : payload.readUInt16BE(0)
  }
}
