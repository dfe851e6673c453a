import Fastify from 'fastify'
import { expect, test } from 'tstyche'
import fastifyPush, { type Member, type PresencePage } from '../lib/index.js'
import { createClient, type PresentMember } from '../lib/client/index.js'

test('who is here, on the server', () => {
  const app = Fastify()
  expect(app.register).type.toBeCallableWith(fastifyPush, { presence: { online: false, grace: '5s' }, channels: { a: { presence: true }, b: { presence: { grace: 1000, data: 10 } } } })
  expect(app.push.presence('room/1', { limit: 10, after: 'a' })).type.toBe<Promise<PresencePage>>()
  expect(app.push.presence<{ mood: string }>('room/1')).type.toBe<Promise<PresencePage<{ mood: string }>>>()
  expect(app.push.online('alice')).type.toBe<Promise<boolean>>()
  expect(app.push.online(['alice'])).type.toBe<Promise<string[]>>()
  expect(app.push.lastSeen('alice')).type.toBe<Promise<Date | null>>()
  expect<Member['data']>().type.toBe<unknown>()
})

test('who is here, in the client', () => {
  const client = createClient('ws://localhost/push')
  const room = client.channel('room/1')
  expect(room.enter({ mood: 'curious' })).type.toBe<Promise<void>>()
  room.on('join', (member) => {
    expect(member).type.toBe<PresentMember>()
    expect(member.cause).type.toBe<'join' | 'back' | 'update' | 'leave' | 'timeout' | 'list'>()
  })
  room.on('update', ({ data }: PresentMember<{ mood: string }>) => { expect(data).type.toBe<{ mood: string } | undefined>() })
  room.on<{ mood: string }>('leave', ({ data }) => { expect(data).type.toBe<{ mood: string } | undefined>() })
  expect(room.presence<{ mood: string }>()).type.toBe<Promise<PresencePage<{ mood: string }>>>()
  expect(client.user('alice').on).type.toBeCallableWith('online', () => {})
  client.user('alice').on('error', ({ code }) => { expect(code).type.toBeAssignableTo<string>() })
  expect(client.user('alice').on).type.not.toBeCallableWith('away', () => {})
})
