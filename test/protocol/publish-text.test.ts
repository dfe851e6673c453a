import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { decodeClientFrame } from '../../lib/protocol/codec.js'
import { readPublish } from '../../lib/protocol/publish-text.js'
import { publishFrame } from '../../lib/client/publish-frame.js'
import { mutatedTexts } from './mutated-texts.js'

const publisher = 'h3Jd81xT0aPq4RsE'

t.test('[P-5.1] [P-5.2] reads what clients write', async (t) => {
  const message = { channel: 'room/1', json: '{"a":[1,"}"]}' }
  t.same(readPublish(publishFrame({ ...message, qos: 0 })), { type: 'publish', channel: 'room/1', qos: 0, data: { a: [1, '}'] } })
  t.same(readPublish(publishFrame({ ...message, qos: 2, id: 'ü-42', ttl: 5 }, 17, publisher)),
    { type: 'publish', channel: 'room/1', qos: 2, publisher, sequence: 17, id: 'ü-42', ttl: 5, data: { a: [1, '}'] } })
})

t.test('leaves everything else to the decoder of all frames', async (t) => {
  const frame = publishFrame({ channel: 'a', qos: 1, json: '1', id: 'x' }, 1, publisher)
  for (const text of [
    '', '{"type":"ping"}', ` ${frame}`, `${frame} `, frame.slice(0, -1), `${frame}}`, frame.replace('"qos":1', '"qos":3'), frame.replace('"sequence":1', '"sequence":01'),
    frame.replace('"sequence":1', '"sequence":0'), frame.replace('"sequence":1', `"sequence":${'9'.repeat(16)}`), frame.replace('"id":"x"', '"id":"\\u0078"'), frame.replace('"id":"x"', '"id":""'),
    frame.replace(publisher, 'short'), frame.replace('"data":1', '"data":1,"data":2'), frame.replace('"data":1', '"data":'), frame.replace('"data":1', '"data":1,"more":{}'), frame.replace('"a"', '""')
  ]) t.equal(readPublish(text), null, text)
})

t.test('never reads anything but what the decoder of all frames would (seeded)', async (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.comment(`SEED=${seed}`)
  const seeds = [
    publishFrame({ channel: 'room/1', qos: 0, json: '{"a":[1,"\\u0041",null,"}"]}' }), publishFrame({ channel: 'ü', qos: 1, json: '"x"', id: 'y' }, 12, publisher),
    publishFrame({ channel: 'a', qos: 2, json: '1', ttl: 100 }, 3)
  ]
  let read = 0
  for (const text of mutatedTexts(seeds, seed, 20_000)) {
    const fast = readPublish(text)
    if (fast === null) continue
    read++
    const known = decodeClientFrame(` ${text}`) // which is not what a client writes
    if (!isDeepStrictEqual(known, { status: 'frame', frame: fast })) t.fail(text)
  }
  t.ok(read > 1000, `${read} were read`)
})

t.test('[P-9.2] nesting is bounded here too', async (t) => {
  const deep = (levels: number) => publishFrame({ channel: 'a', qos: 0, json: '['.repeat(levels) + ']'.repeat(levels) })
  t.equal(decodeClientFrame(deep(63)).status, 'frame')
  t.equal(decodeClientFrame(deep(64)).status, 'malformed')
})
