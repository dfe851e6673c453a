import t from 'tap'
import Type from 'typebox'
import { compileSchema } from '../../lib/broker/schema.js'

const ChatMessage = Type.Object({ text: Type.String({ maxLength: 5 }), mood: Type.Optional(Type.Union([Type.Literal('good'), Type.Literal('bad')])) })

t.test('what is valid passes; anything else is told with the first error’s path and text', async (t) => {
  const schema = compileSchema('room/:id', ChatMessage)
  schema.assert({ text: 'hi' })
  schema.assert({ text: 'hi', mood: 'good', more: true })
  t.throws(() => schema.assert({ text: 'too long' }), { code: 'PUSH_INVALID', message: /^\/text must not have more than 5 characters/ })
  t.throws(() => schema.assert({}), { code: 'PUSH_INVALID', message: /^the data must have required properties text/ })
  for (const wrong of [null, 1, 'x', [], undefined, { text: 1 }, { text: 'hi', mood: 'so-so' }]) t.throws(() => schema.assert(wrong), { code: 'PUSH_INVALID' })
})

t.test('the schema as plain JSON', async (t) => {
  t.strictSame(compileSchema('a', Type.Object({ n: Type.Optional(Type.Integer()) })).within('#/x'), { type: 'object', properties: { n: { type: 'integer' } } })
})

t.test('JSON Schema without TypeBox, and what TypeBox can say in it', async (t) => {
  const plain = compileSchema('a', { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] })
  plain.assert({ text: '' })
  t.throws(() => plain.assert({}), { code: 'PUSH_INVALID' })
  const Tree = Type.Cyclic({ Tree: Type.Object({ children: Type.Array(Type.Ref('Tree')) }) }, 'Tree')
  compileSchema('a', Tree).assert({ children: [{ children: [] }] })
  t.throws(() => compileSchema('a', Tree).assert({ children: [{}] }), { code: 'PUSH_INVALID' })
  compileSchema('a', Type.Tuple([Type.String(), Type.Null()])).assert(['a', null])
  compileSchema('a', Type.Any()).assert(undefined)
})

t.test('references: where they lead in another document', async (t) => {
  const place = '#/channels/room::id/payload'
  const cases: [string, object, object][] = [
    ['a pointer', { definitions: { user: { type: 'string' } }, $ref: '#/definitions/user' }, { $ref: `${place}/definitions/user` }],
    ['the whole', { properties: { child: { $ref: '#' } } }, { properties: { child: { $ref: place } } }],
    ['escaped', { definitions: { 'a/b~ c%': {} }, $ref: '#/definitions/a~1b~0%20c%25' }, { $ref: `${place}/definitions/a~1b~0%20c%25` }],
    ['a name', { $defs: { User: { $id: 'User', type: 'string' } }, $ref: 'User' }, { $defs: { User: { type: 'string' } }, $ref: `${place}/$defs/User` }],
    ['a name of no URI', { $defs: { User: { $id: 'a/User', properties: { friend: { $ref: 'a/User' } } } } }, { $defs: { User: { properties: { friend: { $ref: `${place}/$defs/User` } } } } }],
    ['a relative URI', { $id: 'http://x/root.json', definitions: { a: { $id: 'sub.json', definitions: { b: {} }, $ref: '#/definitions/b' } }, $ref: 'sub.json#/definitions/b' }, { definitions: { a: { $ref: `${place}/definitions/a/definitions/b` } }, $ref: `${place}/definitions/a/definitions/b` }],
    ['an anchor', { definitions: { a: { $id: '#here' } }, $ref: '#here' }, { $ref: `${place}/definitions/a` }],
    ['what is none', { properties: { $ref: { type: 'string' }, $id: { type: 'string' } }, default: { $ref: '#/nowhere', $id: 'x' } }, { properties: { $ref: { type: 'string' }, $id: { type: 'string' } }, default: { $ref: '#/nowhere', $id: 'x' } }]
  ]
  for (const [name, schema, described] of cases) t.match(compileSchema('a', schema).within(place), described, name)
  t.notOk('$id' in compileSchema('a', { $id: 'http://x/', type: 'string' }).within(place))
  for (const $ref of ['#/definitions/x', 'Nobody', 'http://example.com/schema.json', '#here', '#/properties/a/x', 'http://']) {
    t.throws(() => compileSchema('room/:id', { properties: { a: {} }, additionalProperties: { $ref } }), { code: 'PUSH_OPTIONS', message: /room\/:id.*leads nowhere/ }, $ref)
  }
})

t.test('what is no schema is refused at once, with the pattern and why', async (t) => {
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const wrong: unknown[] = ['string', 1, null, true, [], () => {}, { type: 'objekt' }, { properties: 3 }, { properties: { a: 'x' } }, { type: 'string', pattern: '[' }, cyclic, Type.BigInt(), Type.Function([], Type.Void())]
  for (const schema of wrong) t.throws(() => compileSchema('room/:id', schema), { code: 'PUSH_OPTIONS', message: /room\/:id.*schema/ })
  t.throws(() => compileSchema('a', { type: 'objekt' }), { message: /\/type/ })
})
