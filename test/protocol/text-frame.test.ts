import t from 'tap'
import { compressedFrame, textFrame } from '../../lib/protocol/text-frame.js'

/** Reads one unmasked frame by RFC 6455, 5.2. */
function parse (frame: Buffer): { first: number, masked: boolean, header: number, payload: Buffer } {
  const short = (frame[1] as number) & 0x7f
  const header = short < 126 ? 2 : short === 126 ? 4 : 10
  const length = short < 126 ? short : short === 126 ? frame.readUInt16BE(2) : Number(frame.readBigUInt64BE(2))
  if (frame.length !== header + length) throw new Error(`${frame.length} bytes, not ${header} + ${length}`)
  return { first: frame[0] as number, masked: ((frame[1] as number) & 0x80) !== 0, header, payload: frame.subarray(header) }
}

t.test('[P-2.2] a text frame is final, uncompressed and unmasked, its length in the shortest form', async (t) => {
  for (const [length, header] of [[0, 2], [1, 2], [125, 2], [126, 4], [65535, 4], [65536, 10], [200_000, 10]] as const) {
    const text = 'x'.repeat(length)
    const frame = parse(textFrame(text))
    t.same([frame.first, frame.masked, frame.header], [0x81, false, header], `${length} bytes`)
    t.equal(frame.payload.toString(), text)
  }
})

t.test('lengths are of bytes, not of characters', async (t) => {
  for (const text of ['ä'.repeat(63), '€'.repeat(42), '👍'.repeat(16384), '\ud800']) {
    t.same(parse(textFrame(text)).payload, Buffer.from(text, 'utf8'))
  }
})

t.test('[P-2.2] a compressed frame has RSV1 set', async (t) => {
  for (const length of [0, 125, 70_000]) {
    const payload = Buffer.alloc(length, 7)
    const frame = parse(compressedFrame(payload))
    t.equal(frame.first, 0xc1)
    t.same(frame.payload, payload)
  }
})
