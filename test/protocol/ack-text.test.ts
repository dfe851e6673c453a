import t from 'tap'
import { decodeClientFrame } from '../../lib/protocol/codec.js'
import { readAck } from '../../lib/protocol/ack-text.js'
import { mutatedTexts } from './mutated-texts.js'

const position = (channel: unknown, epoch: unknown, offset: unknown) => `{"channel":${JSON.stringify(channel)},"epoch":${JSON.stringify(epoch)},"offset":${String(offset)}}`
const ack = (...positions: readonly string[]) => `{"type":"ack","positions":[${positions.join(',')}]}`

t.test('[P-4.6] reads acknowledgements as clients write them', async (t) => {
  t.same(readAck(ack(position('room/1', 'q7Rk2x', 43))), { type: 'ack', positions: [{ channel: 'room/1', epoch: 'q7Rk2x', offset: 43 }] })
  t.same(readAck(ack(position('a', 'e', 0), position('ü', '-', 999_999_999_999_999)))?.positions,
    [{ channel: 'a', epoch: 'e', offset: 0 }, { channel: 'ü', epoch: '-', offset: 999_999_999_999_999 }])
})

t.test('leaves everything else to the decoder of all frames', async (t) => {
  for (const text of [
    '', '{"type":"ping"}', ack(), ` ${ack(position('a', 'e', 1))}`, `${ack(position('a', 'e', 1))} `, ack(position('a', 'e', 1)).replace('"epoch":', '"epoch": '),
    ack(position('', 'e', 1)), ack(position('a', '', 1)), ack(position('a'.repeat(256), 'e', 1)), ack(position('a', 'e'.repeat(65), 1)), ack(position('a"', 'e', 1)),
    ack(position('a', 'e\n', 1)), ack(position('a', 'e', '01')), ack(position('a', 'e', -1)), ack(position('a', 'e', 1.5)), ack(position('a', 'e', '1e3')), ack(position('a', 'e', '9'.repeat(16))),
    ack(position('a', 'e', 1)).slice(0, -1), `${ack(position('a', 'e', 1))}}`, ack(position('a', 'e', 1), ''), ack(...Array(10_001).fill(position('a', 'e', 1)))
  ]) t.equal(readAck(text), null, text.slice(0, 80))
})

t.test('never reads anything but what the decoder of all frames would (seeded)', async (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.comment(`SEED=${seed}`)
  const seeds = [ack(position('room/1', 'q7Rk2x', 43)), ack(position('a', 'e', 1), position('b', 'e', 23)), ack(position('ü\n', '"', 0))]
  let read = 0
  for (const text of mutatedTexts(seeds, seed, 20_000)) {
    const fast = readAck(text)
    if (fast === null) continue
    read++
    const known = decodeClientFrame(` ${text}`) // which is not what a client writes
    if (JSON.stringify(known) !== JSON.stringify({ status: 'frame', frame: fast })) t.fail(text)
  }
  t.ok(read > 1000, `${read} were read`)
})
