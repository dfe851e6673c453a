import t, { type Test } from 'tap'
import { nestsDeeperThan } from '../../lib/protocol/codec.js'
import { MAX_DEPTH, decodeClientFrame, decodeServerFrame } from '../../lib/protocol/index.js'

const publish = (data: string): string => `{"type":"publish","channel":"room/1","qos":0,"data":${data}}`
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

function isMalformed (t: Test, text: string, why?: string): void {
  for (const decode of [decodeClientFrame, decodeServerFrame]) {
    const decoded = decode(text)
    t.equal(decoded.status, 'malformed', JSON.stringify(text).slice(0, 60))
    if (decoded.status === 'malformed' && why !== undefined) t.equal(decoded.why, why)
  }
}

t.test('[P-2.2] a frame is a JSON object with a string type', async (t) => {
  t.same(decodeClientFrame('{"type":"ping"}'), { status: 'frame', frame: { type: 'ping' } })
  t.same(decodeServerFrame(' {"type":"pong"}\n'), { status: 'frame', frame: { type: 'pong' } })
})

t.test('[P-9.2] what is not JSON is malformed', async (t) => {
  for (const text of ['', ' ', '{', '{"type":"ping"', '{"type":"ping"}}', "{'type':'ping'}", '{type:"ping"}', 'undefined', 'NaN', '{"type":"ping",}',
    '{"type":"ping"} //', '\ufeff{"type":"ping"}', '\0', '{"type":"pi\nng"}', '{"type":"\\x"}']) isMalformed(t, text, 'not JSON')
})

t.test('[P-9.2] what is not an object with a string type is malformed', async (t) => {
  for (const text of ['null', '5', '"ping"', 'true']) isMalformed(t, text, 'not an object')
  for (const text of ['[]', '["ping"]', '{}', '{"type":5}', '{"type":null}', '{"type":["ping"]}', '{"Type":"ping"}', '{"type":{"toString":"ping"}}']) isMalformed(t, text, "no 'type'")
})

t.test('[P-9.2] nesting deeper than 64 is malformed, and is not parsed', async (t) => {
  t.equal(MAX_DEPTH, 64)
  t.equal(decodeClientFrame(publish(nested(63))).status, 'frame')
  isMalformed(t, publish(nested(64)), 'nested deeper than 64')
  isMalformed(t, '['.repeat(1_000_000), 'nested deeper than 64')
  isMalformed(t, '{"a":'.repeat(100_000), 'nested deeper than 64')
})

t.test('brackets in strings do not nest', async (t) => {
  const deep = '[{'.repeat(100)
  for (const data of [`"${deep}"`, `"\\"${deep}"`, `"\\\\\\"${deep}"`, `{"${deep}":1}`, `["]",["${deep}"]]`]) {
    t.equal(decodeClientFrame(publish(data)).status, 'frame', data.slice(0, 20))
  }
  t.ok(nestsDeeperThan(`"\\\\"${nested(100)}`, 64), 'a string may end behind an escaped backslash')
  t.notOk(nestsDeeperThan('[],'.repeat(1000), 1), 'side by side is not nested')
})

t.test('[P-9.1] unknown fields are ignored, unknown types are told with their id', async (t) => {
  t.equal(decodeClientFrame('{"type":"ping","later":{"version":2}}').status, 'frame')
  t.same(decodeClientFrame('{"type":"later","id":7}'), { status: 'unknown', type: 'later', id: 7 })
  for (const id of ['"7"', '1.5', '1e400', 'null', '9007199254740993']) t.same(decodeClientFrame(`{"type":"later","id":${id}}`), { status: 'unknown', type: 'later' }, id)
  t.same(decodeClientFrame(`{"type":"${'x'.repeat(100)}"}`), { status: 'unknown', type: 'x'.repeat(64) })
  for (const type of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'PING', 'welcome']) t.equal(decodeClientFrame(`{"type":"${type}"}`).status, 'unknown', type)
})

t.test('[P-9.2] a frame that breaks its schema is malformed', async (t) => {
  const frames = [
    '{"type":"subscribe","id":1,"channel":"a"}', '{"type":"subscribe","id":1,"channel":5,"qos":0}', '{"type":"subscribe","id":"1","channel":"a","qos":0}',
    '{"type":"subscribe","id":1,"channel":"a","qos":3}', '{"type":"subscribe","id":1,"channel":"a","qos":"1"}', '{"type":"subscribe","id":-1,"channel":"a","qos":0}',
    '{"type":"subscribe","id":1,"channel":"","qos":0}', `{"type":"subscribe","id":1,"channel":"${'x'.repeat(256)}","qos":0}`,
    '{"type":"subscribe","id":1,"channel":"a","qos":0,"position":{"epoch":"e"}}', '{"type":"subscribe","id":1,"channel":"a","qos":0,"position":{"epoch":"e","offset":-1}}',
    '{"type":"publish","channel":"a","qos":0}', '{"type":"publish","channel":"a","qos":1,"sequence":0,"data":1}', '{"type":"publish","channel":"a","qos":1,"sequence":1.5,"data":1}',
    '{"type":"publish","channel":"a","qos":1,"sequence":1,"publisher":"short","data":1}', '{"type":"publish","channel":"a","qos":1,"id":"","data":1}', '{"type":"ack"}', '{"type":"ack","positions":{}}'
  ]
  for (const text of frames) t.equal(decodeClientFrame(text).status, 'malformed', text.slice(0, 80))
})

t.test('numbers beyond all bounds', async (t) => {
  for (const number of ['1e400', '-1e400', '9007199254740992', '1e21', '0.1']) {
    t.equal(decodeClientFrame(`{"type":"subscribe","id":${number},"channel":"a","qos":0}`).status, 'malformed', number)
    t.equal(decodeClientFrame(`{"type":"publish","channel":"a","qos":1,"sequence":${number},"data":1}`).status, 'malformed', number)
  }
  t.equal(decodeClientFrame('{"type":"subscribe","id":9007199254740991,"channel":"a","qos":0}').status, 'frame')
})

t.test('names of prototypes change nothing', async (t) => {
  const evil = '{"__proto__":{"x":1},"constructor":{"prototype":{"x":1}},"toString":null}'
  const decoded = decodeClientFrame(publish(evil))
  t.equal(decoded.status, 'frame')
  isMalformed(t, '{"__proto__":{"type":"ping"}}', "no 'type'")
  t.equal(decodeClientFrame('{"type":"ping","__proto__":{"x":1}}').status, 'frame')
  t.equal(decodeClientFrame('{"type":"subscribe","id":1,"channel":"a","__proto__":{"qos":0}}').status, 'malformed', 'a field is not inherited')
  t.equal(({} as { x?: unknown }).x, undefined)
})

t.test('strings that are no texts go through as data and break nothing', async (t) => {
  // The cases are named by number: a runner could not print them.
  for (const [i, data] of ['"\\ud800"', '"\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\ufeff"', '"\u2028"'].entries()) {
    const decoded = decodeClientFrame(publish(data))
    t.same(decoded, { status: 'frame', frame: { type: 'publish', channel: 'room/1', qos: 0, data: JSON.parse(data) } }, `case ${i}`)
  }
})

t.test('of equal keys the last one counts, for the type too', async (t) => {
  t.same(decodeClientFrame('{"type":"pong","type":"ping"}'), { status: 'frame', frame: { type: 'ping' } })
})

t.test('whatever is thrown at it, it does not throw (seeded)', async (t) => {
  let state = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)) | 1
  t.comment(`SEED=${state}`)
  const below = (limit: number): number => { state = Math.imul(state, 1664525) + 1013904223 >>> 0; return state % limit }
  const seeds = ['{"type":"hello","session":"kX3v9Qm2Zr8Lw1Tn5Yb7Jg","subscriptions":[]}', publish('{"a":[1,"\\u0041",null]}'), '{"type":"ack","positions":[{"channel":"a","epoch":"e","offset":1}]}']
  for (let i = 0; i < 3000; i++) {
    let text = seeds[below(seeds.length)] as string
    for (let changes = 1 + below(3); changes > 0; changes--) {
      const at = below(text.length + 1)
      text = text.slice(0, at) + ['', '"', '{', ']', '\\', '\0', '\ud83d', '9'.repeat(400), ',', text.slice(0, below(30))][below(10)] + text.slice(at + below(3))
    }
    const { status } = decodeClientFrame(text)
    if (!['frame', 'unknown', 'malformed'].includes(status)) t.fail(text)
  }
})
