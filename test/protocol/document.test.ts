import { readFileSync } from 'node:fs'
import t from 'tap'
import { codes, type CodeRow } from '../../lib/protocol/codes.js'
import { clientFrames, decodeClientFrame, decodeServerFrame, serverFrames } from '../../lib/protocol/index.js'

const text = readFileSync(new URL('../../../PROTOCOL.md', import.meta.url), 'utf8')

/** As much of a JSON schema as frames are made of. */
interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema | readonly Schema[]
  readonly anyOf?: readonly Schema[]
}

/** The paths in `value` that `schema` does not know. Anything goes where the schema says nothing. */
function unknownPaths (schema: Schema, value: unknown, path = ''): string[] {
  if (schema.anyOf !== undefined) {
    return schema.anyOf.map((one) => unknownPaths(one, value, path)).reduce((best, paths) => paths.length < best.length ? paths : best)
  }
  if (Array.isArray(value)) {
    const { items } = schema
    if (items === undefined || Array.isArray(items)) return []
    return value.flatMap((item, i) => unknownPaths(items as Schema, item, `${path}[${i}]`))
  }
  if (typeof value !== 'object' || value === null || schema.properties === undefined) return []
  const { properties } = schema
  return Object.entries(value).flatMap(([key, inner]) => Object.hasOwn(properties, key)
    ? unknownPaths(properties[key] as Schema, inner, `${path}.${key}`)
    : [`${path}.${key}`])
}

const directions = [
  { name: 'client', decode: decodeClientFrame, schemas: clientFrames as Record<string, Schema> },
  { name: 'server', decode: decodeServerFrame, schemas: serverFrames as Record<string, Schema> }
]

/** Which frames a block may be, as `client hello`; without fields that the schema does not know. */
function readings (block: string): string[] {
  return directions.flatMap(({ name, decode, schemas }) => {
    const decoded = decode(block)
    if (decoded.status !== 'frame') return []
    const { type } = decoded.frame
    return unknownPaths(schemas[type] as Schema, decoded.frame).length === 0 ? [`${name} ${type}`] : []
  })
}

const blocks = [...text.matchAll(/^ *```json\n([\s\S]*?)^ *```$/gm)].map(([, block]) => (block as string).trim())

t.test('every JSON block is a frame of a client or of a server, with no field that its schema does not know', async (t) => {
  t.ok(blocks.length >= 20)
  t.equal(blocks.length, text.split('```').length >> 1, 'there are no other blocks')
  for (const block of blocks) t.not(readings(block).length, 0, block.replace(/\s+/g, ' ').slice(0, 100))
})

t.test('every frame type appears in a block, in each direction it may go', async (t) => {
  const shown = new Set(blocks.flatMap(readings))
  for (const { name, schemas } of directions) {
    for (const type of Object.keys(schemas)) t.ok(shown.has(`${name} ${type}`), `${name} ${type}`)
  }
})

t.test('the check is strict', async (t) => {
  t.same(readings('{"type":"ping","extra":1}'), [])
  t.same(readings('{"type":"ack","positions":[{"channel":"a","epoch":"e","offset":1,"extra":1}]}'), [])
  t.same(readings('{"type":"welcome"}'), [])
  t.same(readings('{"type":"publish","channel":"a","qos":0,"data":{"anything":{"goes":1}}}'), ['client publish'])
})

t.test('[P-10] the table of codes is that of the code', async (t) => {
  const rows = [...text.matchAll(/^\| `(PUSH_[A-Z_]+)` \| (\S+) \| (\S+) \| (.+) \|$/gm)].map(([, code, close, retry, meaning]) => [code, close, retry, meaning])
  const expected = Object.entries<CodeRow>(codes).map(([code, row]) => [code, row.close === null ? '–' : `${row.close}`, row.retry, row.text])
  t.same(rows, expected)
})

t.test('every code that is named exists', async (t) => {
  const named = new Set(text.match(/PUSH_[A-Z_]+/g))
  t.ok(named.size > 20)
  for (const code of named) t.ok(Object.hasOwn(codes, code), code)
})

t.test('clauses are numbered once, ascending, under the section of their number', async (t) => {
  const found = [...text.matchAll(/^(?:## (\d+)\. |- \*\*(\d+)\.(\d+)\*\* )/gm)]
  let [section, clause, count] = [0, 0, 0]
  for (const [, heading, number, sub] of found) {
    if (heading !== undefined) {
      t.equal(Number(heading), section + 1, `section ${heading}`)
      section = Number(heading)
      clause = 0
    } else {
      t.same([Number(number), Number(sub)], [section, clause + 1], `clause ${number}.${sub}`)
      clause = Number(sub)
      count++
    }
  }
  t.ok(section >= 11 && count >= 40)
  t.equal(count, text.match(/\*\*\d+\.\d+\*\*/g)?.length, 'a clause begins its item')
})

t.test('every clause that is referred to exists', async (t) => {
  const clauses = new Set([...text.matchAll(/^- \*\*(\d+\.\d+)\*\* /gm)].map(([, number]) => number))
  const references = [...text.matchAll(/\((?:as in )?(\d+\.\d+)\)|as in (\d+\.\d+)|\[P-(\d+\.\d+)\]/g)].map(([, one, two, three]) => one ?? two ?? three)
  t.ok(references.length >= 3)
  for (const reference of references) t.ok(clauses.has(reference), `clause ${reference}`)
})
