import Fastify, { type FastifyRequest } from 'fastify'
import { describe, expect, test } from 'tstyche'
import fastifyPush, { memoryStorage, PushError, type AsyncApi, type ClientInfo, type Code, type FastifyPushOptions, type HistoryPage, type Message, type PublishResult, type Push, type StorageAdapter } from '../lib/index.js'

const app = Fastify()

describe('the plugin', () => {
  test('is registered with its options', () => {
    expect(app.register).type.toBeCallableWith(fastifyPush)
    expect(app.register).type.toBeCallableWith(fastifyPush, { path: '/push', heartbeat: { interval: '25s' }, session: { ttl: 120_000 } })
    expect<FastifyPushOptions>().type.toBeAssignableFrom({ channels: { 'room/:id': { history: { limit: 10, ttl: '7d' }, qos: 2 as const } } })
    expect<FastifyPushOptions>().type.not.toBeAssignableFrom({ path: 1 })
    expect<FastifyPushOptions>().type.not.toBeAssignableFrom({ channels: { a: { qos: 3 as const } } })
  })

  test('takes identities and answers that end', () => {
    expect<FastifyPushOptions>().type.toBeAssignableFrom({ authenticate: () => ({ userId: 'alice', expiresAt: new Date(), claims: 1 }) })
    expect<FastifyPushOptions>().type.toBeAssignableFrom({ authorize: async () => ({ allow: true, ttl: '1m' }) })
    expect<FastifyPushOptions>().type.not.toBeAssignableFrom({ authorize: () => ({ allow: true }) })
    expect<FastifyPushOptions>().type.toBeAssignableFrom({ origins: '*' as const })
    expect<FastifyPushOptions>().type.toBeAssignableFrom({ origins: (origin: string | undefined) => origin === 'https://example.com' })
    expect<FastifyPushOptions>().type.not.toBeAssignableFrom({ origins: 'https://example.com' })
  })

  test('knows the request and the token in authenticate', () => {
    const options: FastifyPushOptions = {
      authenticate: async (request, { token }) => {
        expect(request.headers.cookie).type.toBe<string | undefined>()
        expect(token).type.toBe<string | undefined>()
        return { userId: 'alice' }
      },
      authorize: ({ action, channel, params, client }) => {
        expect(action).type.toBe<'subscribe' | 'publish' | 'history' | 'presence'>()
        expect(channel).type.toBe<string>()
        expect(client.userId).type.toBe<string | undefined>()
        return params.id === client.userId
      }
    }
    expect(app.register).type.toBeCallableWith(fastifyPush, options)
  })
})

describe('fastify.push', () => {
  test('is a decorator', () => {
    expect(app.push).type.toBe<Push>()
    expect(app.push.channel('room/:id', { history: true })).type.toBe<void>()
  })

  test('acts on clients', () => {
    expect(app.push.clients).type.toBeCallableWith({ userId: 'alice' })
    expect(app.push.clients).type.toBeCallableWith({ userId: 'alice', clientId: 'phone' })
    expect(app.push.clients).type.not.toBeCallableWith({})
    expect(app.push.clients).type.not.toBeCallableWith({ user: 'alice' })
    expect(app.push.clients({ clientId: 'phone' }).subscribe('room/1', { qos: 2 })).type.toBe<Promise<void>>()
    expect(app.push.clients({ clientId: 'phone' }).disconnect).type.not.toBeCallableWith({ code: 'PUSH_BAD_FRAME' })
  })

  test('publishes and reads', () => {
    expect(app.push.publish('room/1', { text: 'hi' })).type.toBe<Promise<PublishResult>>()
    expect(app.push.publish).type.toBeCallableWith('room/1', null, { qos: 2 as const, id: 'a', ttl: '1h', wait: 'delivered' as const, timeout: 100 })
    expect(app.push.publish).type.not.toBeCallableWith('room/1')
    expect(app.push.publish).type.not.toBeCallableWith('room/1', {}, { wait: 'read' })
    expect(app.push.history('room/1', { limit: 20, reverse: true })).type.toBe<Promise<HistoryPage>>()
    expect<HistoryPage<string>['messages'][number]>().type.toBe<Message<string>>()
  })
})

describe('hooks', () => {
  test('are added by name, and know what they are told', () => {
    expect(app.push.addHook('onPublish', ({ data, client, params }) => {
      expect(data).type.toBe<unknown>()
      expect(client).type.toBe<ClientInfo | null>()
      expect(params).type.toBe<Readonly<Record<string, string>>>()
    })).type.toBe<void>()
    app.push.addHook('onConnect', async ({ request }) => { expect(request).type.toBe<FastifyRequest | undefined>() })
    app.push.addHook('onDrop', ({ reason }) => { expect(reason).type.toBe<'qos0' | 'slow' | 'given-up'>() })
    expect(app.push.addHook).type.not.toBeCallableWith('onRequest', () => {})
    expect(app.push.addHook).type.not.toBeCallableWith('onAck', 1)
    expect(app.push.addHook).type.not.toBeCallableWith('onAck', (event: { channel: number }) => event)
  })
})

test('the document of the channels', () => {
  expect(app.push.asyncapi()).type.toBe<AsyncApi>()
  expect(app.push.asyncapi).type.toBeCallableWith({ info: { title: 'Chat', version: '1.0.0' }, servers: { main: { host: 'example.com', protocol: 'wss' } } })
  expect(app.push.asyncapi).type.not.toBeCallableWith({ info: { title: 'Chat' } })
})

test('a storage adapter is a value', () => {
  expect(memoryStorage()).type.toBeAssignableTo<StorageAdapter>()
  expect(new PushError('PUSH_BUSY').code).type.toBe<Code>()
})
