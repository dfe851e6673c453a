import { randomBytes } from 'node:crypto'
import { constants, inflateRawSync } from 'node:zlib'
import t from 'tap'
import { SharedFrame } from '../../lib/broker/shared-frame.js'
import { textFrame } from '../../lib/protocol/text-frame.js'
import { serverFrames, textOf, type RawFrame } from '../helpers/raw.js'

const compression = { threshold: 1024 }

function read (bytes: Buffer): RawFrame {
  const frames: RawFrame[] = []
  t.equal(serverFrames(bytes, frames).length, 0)
  t.equal(frames.length, 1)
  return frames[0] as RawFrame
}

t.test('the deflated form inflates to the text, whatever its length', async (t) => {
  for (const length of [1024, 65_535, 65_536, 300_000]) {
    const text = 'ünïcode and much of it '.repeat(length).slice(0, length)
    const frame = new SharedFrame(textFrame(text))
    const deflated = read(frame.deflated(compression))
    t.match(deflated, { opcode: 1, compressed: true })
    t.equal(textOf(deflated), text)
    t.match(read(frame.plain), { opcode: 1, compressed: false })
    t.equal(textOf(read(frame.plain)), text)
  }
})

t.test('it ends as RFC 7692 wants it: without the tail of a flush, which belongs to it', async (t) => {
  const text = 'x'.repeat(2000)
  const { payload } = read(new SharedFrame(textFrame(text)).deflated(compression))
  t.notSame(payload.subarray(-4), Buffer.from([0, 0, 0xff, 0xff]))
  // A second message in one stream would be read on from there.
  const tail = Buffer.from([0, 0, 0xff, 0xff])
  t.equal(String(inflateRawSync(Buffer.concat([payload, tail, payload, tail]), { finishFlush: constants.Z_SYNC_FLUSH })), text + text)
})

t.test('it is deflated once', async (t) => {
  const frame = new SharedFrame(textFrame('x'.repeat(5000)))
  t.equal(frame.deflated(compression), frame.deflated(compression))
})

t.test('what is small is not deflated', async (t) => {
  const largest = new SharedFrame(textFrame('x'.repeat(1023 - 4))) // 4 bytes of header
  t.equal(largest.deflated(compression), largest.plain)
  const larger = new SharedFrame(textFrame('x'.repeat(1024 - 4)))
  t.not(larger.deflated(compression), larger.plain)
  const small = new SharedFrame(textFrame('x'.repeat(100)))
  t.not(small.deflated({ threshold: 0 }), small.plain)
})

t.test('where it does not become smaller it stays as it is', async (t) => {
  const frame = new SharedFrame(textFrame(randomBytes(3000).toString('latin1').replace(/[^]/g, (c) => String.fromCharCode(c.charCodeAt(0) & 127))))
  const random = new SharedFrame(Buffer.concat([textFrame('x'.repeat(3000)).subarray(0, 4), randomBytes(3000)]))
  t.equal(random.deflated(compression), random.plain)
  t.equal(random.deflated(compression), random.plain, 'nor the second time')
  t.ok(frame.deflated(compression).byteLength <= frame.plain.byteLength)
  const tiny = new SharedFrame(textFrame('{}'))
  t.equal(tiny.deflated({ threshold: 0 }), tiny.plain)
})
