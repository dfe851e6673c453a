import { createRequire } from 'node:module'
import { Ajv, type AnySchemaObject } from 'ajv'
import formats from 'ajv-formats'
import t, { type Test } from 'tap'
import Type from 'typebox'
import type { ChannelOptions } from '../../types/options.js'
import type { AsyncApi, AsyncApiOptions } from '../../types/asyncapi.js'
import { describe } from '../../lib/broker/asyncapi.js'
import { Channels } from '../../lib/broker/channels.js'

const official = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json') as AnySchemaObject
const ajv = new Ajv({ strict: false, allErrors: true })
formats.default(ajv)
const validate = ajv.compile(official)

/** The document of some channels, as JSON has it, checked against the official schema; and every reference in it leads somewhere. */
function documentOf (t: Test, declared: Readonly<Record<string, ChannelOptions>>, options?: AsyncApiOptions): AsyncApi {
  const channels = new Channels(120_000, { limit: 1, bytes: 1, ttl: 1 }, { online: true, grace: 15_000 })
  for (const [pattern, each] of Object.entries(declared)) channels.declare(pattern, each)
  const document = JSON.parse(JSON.stringify(describe(channels.declared, options))) as AsyncApi
  t.ok(validate(document), JSON.stringify(validate.errors))
  for (const [, pointer] of JSON.stringify(document).matchAll(/"\$ref":"#([^"]*)"/g)) {
    const found = (pointer as string).split('/').slice(1).map(decodeURIComponent).reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], document)
    t.notMatch(pointer, /~(?![01])/, 'a pointer has its tildes escaped')
    t.type(found, 'object', String(pointer))
  }
  return document
}

t.test('references within schemas', async (t) => {
  const document = documentOf(t, {
    'room/:id': { schema: Type.Cyclic({ Tree: Type.Object({ children: Type.Array(Type.Ref('Tree')) }) }, 'Tree') },
    'a~b': { schema: { definitions: { user: { type: 'string' } }, type: 'object', properties: { user: { $ref: '#/definitions/user' } } } as never }
  })
  t.equal([...JSON.stringify(document.channels).matchAll(/"\$ref":"#\/channels\//g)].length, 3)
})

t.test('channels, parameters, messages and operations', async (t) => {
  const document = documentOf(t, {
    'room/:id': { schema: Type.Object({ text: Type.String() }), clientPublish: true, history: { limit: 10, bytes: 1000, ttl: '1h' }, qos: 2 },
    'news/*': { slow: 'drop' },
    status: {}
  })
  t.same(document, {
    asyncapi: '3.0.0',
    info: document.info,
    defaultContentType: 'application/json',
    channels: {
      'room::id': {
        address: 'room/{id}',
        parameters: { id: { description: 'one segment' } },
        messages: { message: { name: 'room/:id', contentType: 'application/json', payload: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } } } },
        'x-qos': 2,
        'x-history': { limit: 10, bytes: 1000, ttl: 3_600_000 },
        'x-slow': 'catch-up'
      },
      'news:*': {
        address: 'news/{_rest}',
        parameters: { _rest: { description: 'one or more segments' } },
        messages: { message: { name: 'news/*', contentType: 'application/json', payload: {} } },
        'x-qos': 1,
        'x-history': false,
        'x-slow': 'drop'
      },
      status: {
        address: 'status',
        messages: { message: { name: 'status', contentType: 'application/json', payload: {} } },
        'x-qos': 1,
        'x-history': false,
        'x-slow': 'catch-up'
      }
    },
    operations: {
      'send:room::id': { action: 'send', channel: { $ref: '#/channels/room::id' }, messages: [{ $ref: '#/channels/room::id/messages/message' }] },
      'receive:room::id': { action: 'receive', channel: { $ref: '#/channels/room::id' }, messages: [{ $ref: '#/channels/room::id/messages/message' }] },
      'send:news:*': { action: 'send', channel: { $ref: '#/channels/news:*' }, messages: [{ $ref: '#/channels/news:*/messages/message' }] },
      'send:status': { action: 'send', channel: { $ref: '#/channels/status' }, messages: [{ $ref: '#/channels/status/messages/message' }] }
    }
  })
})

t.test('what the host says of itself is taken as it is', async (t) => {
  const info = { title: 'Chat', version: '2.1.0', description: 'All of it' }
  const servers = { production: { host: 'example.com', protocol: 'wss', pathname: '/push' } }
  const document = documentOf(t, { news: {} }, { info, servers })
  t.same([document.info, document.servers], [info, servers])
})

t.test('no channels, and names that look alike', async (t) => {
  documentOf(t, {})
  const document = documentOf(t, { 'a/:b': {}, 'a/b': {}, 'a.b': {}, 'a-b': {}, 'a~b/c@d': { clientPublish: true }, ':a/:b/*': {}, '*': {} })
  t.equal(Object.keys(document.channels).length, 7)
  t.equal(Object.keys(document.operations).length, 8)
})

t.test('every kind of schema that is taken can be described', async (t) => {
  const schemas = [
    Type.Tuple([Type.String(), Type.Null()]),
    Type.Union([Type.Literal('a'), Type.Integer({ minimum: 3 })]),
    Type.Record(Type.String(), Type.Boolean()),
    Type.Cyclic({ Tree: Type.Object({ children: Type.Array(Type.Ref('Tree')) }) }, 'Tree'),
    Type.Intersect([Type.Object({ a: Type.Optional(Type.Number()) }), Type.Object({})]),
    Type.Any(),
    { type: 'object', properties: { text: { type: 'string' } } }
  ]
  documentOf(t, Object.fromEntries(schemas.map((schema, i) => [`channel/${i}`, { schema }])))
})

t.test('the check itself', async (t) => {
  const document = describe([])
  t.notOk(validate({ ...document, channels: { a: { address: 1 } } }))
  t.notOk(validate({ ...document, operations: { a: { action: 'both' } } }))
})
