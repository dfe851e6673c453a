import Fastify from 'fastify'
import Type from 'typebox'
import { describe, expect, test } from 'tstyche'
import { createClient, type Channel, type Client, type Message as ClientMessage } from '../lib/client/index.js'
import fastifyPush, { defineChannels, type ChannelData, type ChannelName, type ChannelPattern, type ChannelsOf, type HistoryPage, type ParamsOf, type PublishResult, type Push, type PushChannels } from '../lib/index.js'

const ChatMessage = Type.Object({ text: Type.String(), mood: Type.Optional(Type.Union([Type.Literal('good'), Type.Literal('bad')])) })
interface Chat { text: string, mood?: 'good' | 'bad' }

const channels = defineChannels({
  'room/:id': {
    schema: ChatMessage,
    history: true,
    authorize: ({ params }) => params.id === 'lobby',
    onSubscribe: ({ params, qos }) => {
      expect(params).type.toBe<{ readonly id: string }>()
      expect(qos).type.toBe<0 | 1 | 2>()
    },
    onPublish: async ({ params, data, client }) => {
      expect(params.id).type.toBe<string>()
      expect(params).type.not.toHaveProperty('room')
      expect(data).type.toBe<Chat>()
      expect(client?.userId).type.toBe<string | undefined>()
      return { ...data, text: data.text.trim() }
    }
  },
  'room/lobby': { schema: Type.Object({ notice: Type.String() }) },
  'orders/:user/:order': { schema: Type.Object({ state: Type.String() }), qos: 2 },
  'news/*': { schema: Type.String() },
  'news/:topic': { schema: Type.Number() },
  anything: { onPublish: ({ data, params }) => { expect(data).type.toBe<unknown>(); expect(params).type.toBe<{}>() } }
})
type Channels = ChannelsOf<typeof channels>

declare const id: string
declare const push: Push<Channels>
declare const client: Client<Channels>

describe('the map of channels', () => {
  test('has the data of each pattern', () => {
    expect<Channels['room/:id']>().type.toBe<Chat>()
    expect<Channels['room/lobby']>().type.toBe<{ notice: string }>()
    expect<Channels['anything']>().type.toBe<unknown>()
    expect<keyof Channels>().type.toBe<'room/:id' | 'room/lobby' | 'orders/:user/:order' | 'news/*' | 'news/:topic' | 'anything'>()
  })

  test('is what the plugin takes', () => {
    expect(Fastify().register).type.toBeCallableWith(fastifyPush, { channels })
  })
})

describe('names and patterns', () => {
  test('the most specific pattern wins', () => {
    expect<ChannelPattern<Channels, 'room/1'>>().type.toBe<'room/:id'>()
    expect<ChannelPattern<Channels, 'room/lobby'>>().type.toBe<'room/lobby'>()
    expect<ChannelPattern<Channels, 'orders/alice/42'>>().type.toBe<'orders/:user/:order'>()
    expect<ChannelPattern<Channels, 'news/sport'>>().type.toBe<'news/:topic'>()
    expect<ChannelPattern<Channels, 'news/sport/tennis'>>().type.toBe<'news/*'>()
    expect<ChannelPattern<Channels, 'news/sport/tennis/today'>>().type.toBe<'news/*'>()
    expect<ChannelPattern<Channels, 'anything'>>().type.toBe<'anything'>()
  })

  test('a branch that leads nowhere is left again, as at run time', () => {
    interface Nested { 'a/b/c': 1, 'a/:x/d': 2, ':y/b/e': 3, 'a/*': 4, '*': 5 }
    expect<ChannelPattern<Nested, 'a/b/c'>>().type.toBe<'a/b/c'>()
    expect<ChannelPattern<Nested, 'a/b/d'>>().type.toBe<'a/:x/d'>()
    expect<ChannelPattern<Nested, 'a/b/e'>>().type.toBe<'a/*'>()
    expect<ChannelPattern<Nested, 'z/b/e'>>().type.toBe<':y/b/e'>()
    expect<ChannelPattern<Nested, 'z'>>().type.toBe<'*'>()
  })

  test('what matches nothing is nothing', () => {
    expect<ChannelPattern<Channels, 'rooms/1'>>().type.toBe<never>()
    expect<ChannelPattern<Channels, 'room'>>().type.toBe<never>()
    expect<ChannelPattern<Channels, 'room/'>>().type.toBe<never>()
    expect<ChannelPattern<Channels, 'room/1/2'>>().type.toBe<never>()
    expect<ChannelPattern<Channels, 'room/:id'>>().type.toBe<never>()
    expect<ChannelPattern<Channels, 'news/*'>>().type.toBe<never>()
    expect<ChannelPattern<Channels, 'news'>>().type.toBe<never>()
    expect<ChannelPattern<Channels, string>>().type.toBe<never>()
  })

  test('a part that is only known as a string is one segment, and no literal', () => {
    expect<ChannelPattern<Channels, `room/${string}`>>().type.toBe<'room/:id'>()
    expect<ChannelPattern<Channels, `room/${number}`>>().type.toBe<'room/:id'>()
    expect<ChannelPattern<Channels, `orders/${string}/${number}`>>().type.toBe<'orders/:user/:order'>()
    expect<ChannelPattern<Channels, `room/a-${string}`>>().type.toBe<'room/:id'>()
    expect<ChannelPattern<Channels, `${string}/1`>>().type.toBe<never>()
  })

  test('the names of a map, about', () => {
    expect<ChannelName<{ 'room/:id': 1, 'orders/:user/:order': 2, news: 3 }>>().type.toBe<`room/${string}` | `orders/${string}/${string}` | 'news'>()
    expect<ChannelName>().type.toBe<string>()
  })

  test('parameters', () => {
    expect<ParamsOf<'orders/:user/:order'>>().type.toBe<{ readonly user: string, readonly order: string }>()
    expect<ParamsOf<'news/*'>>().type.toBe<{ readonly '*': string }>()
    expect<ParamsOf<'news'>>().type.toBe<{}>()
    expect<ParamsOf<string>>().type.toBe<Readonly<Record<string, string>>>()
  })

  test('the data of several names', () => {
    expect<ChannelData<Channels, 'room/1' | 'news/sport'>>().type.toBe<Chat | number>()
  })
})

describe('fastify.push, of channels that are known', () => {
  test('publishes what is declared', () => {
    expect(push.publish('room/1', { text: 'hi' })).type.toBe<Promise<PublishResult>>()
    expect(push.publish).type.toBeCallableWith(`room/${id}`, { text: 'hi', mood: 'good' as const }, { qos: 2 as const })
    expect(push.publish).type.toBeCallableWith('room/lobby', { notice: 'closed' })
    expect(push.publish).type.toBeCallableWith('news/sport/tennis', 'Match point')
    expect(push.publish).type.toBeCallableWith('anything', Symbol.iterator)
  })

  test('and nothing else', () => {
    expect(push.publish).type.not.toBeCallableWith('rooms/1', { text: 'hi' })
    expect(push.publish).type.not.toBeCallableWith('room/1/2', { text: 'hi' })
    expect(push.publish).type.not.toBeCallableWith('room/:id', { text: 'hi' })
    expect(push.publish).type.not.toBeCallableWith(id, { text: 'hi' })
    expect(push.publish).type.not.toBeCallableWith('room/1', { txt: 'hi' })
    expect(push.publish).type.not.toBeCallableWith('room/1', { text: 1 })
    expect(push.publish).type.not.toBeCallableWith('room/1', { text: 'hi', mood: 'so-so' })
    expect(push.publish).type.not.toBeCallableWith('room/lobby', { text: 'hi' })
    expect(push.publish).type.not.toBeCallableWith('news/sport', 'a number was declared')
    expect(push.publish).type.not.toBeCallableWith('room/1')
  })

  test('to one of several channels only what goes to each of them', () => {
    const either = 'room/1' as 'room/1' | 'room/lobby'
    expect(push.publish).type.toBeCallableWith(either, { text: 'hi', notice: 'hi' })
    expect(push.publish).type.not.toBeCallableWith(either, { text: 'hi' })
  })

  test('names only what is declared in all that it does', () => {
    const position = { epoch: 'e', offset: 1 }
    const clients = push.clients({ userId: 'alice' })
    expect(push.presence).type.toBeCallableWith('room/1')
    expect(push.presence).type.toBeCallableWith('$user/alice')
    expect(push.presence).type.not.toBeCallableWith('rooms/1')
    expect(push.receipt).type.toBeCallableWith('room/1', position)
    expect(push.receipt).type.toBeCallableWith({ userId: 'alice' }, position)
    expect(push.receipt).type.not.toBeCallableWith('nowhere', position)
    expect(clients.subscribe).type.toBeCallableWith(`room/${id}`, { qos: 2 as const })
    expect(clients.subscribe).type.not.toBeCallableWith('nowhere')
    expect(clients.unsubscribe).type.toBeCallableWith('news/sport')
    expect(clients.unsubscribe).type.not.toBeCallableWith('nowhere')
  })

  test('of channels that are not known every name goes', () => {
    const { push } = Fastify()
    expect(push.presence).type.toBeCallableWith(id)
    expect(push.clients({ userId: 'alice' }).subscribe).type.toBeCallableWith(id)
    expect(push.receipt).type.toBeCallableWith(id, { epoch: 'e', offset: 1 })
  })

  test('reads what is declared', () => {
    expect(push.history('room/1')).type.toBe<Promise<HistoryPage<Chat>>>()
    expect(push.history).type.not.toBeCallableWith('rooms/1')
  })

  test('is told of its channels by the interface that the host extends', () => {
    expect<PushChannels>().type.toBe<{}>()
    interface Told extends Channels {}
    expect<Push<Told>['history']>().type.not.toBeCallableWith('rooms/1')
  })
})

describe('push.channel', () => {
  test('types the hooks by pattern and schema', () => {
    Fastify().push.channel('orders/:user/:order', {
      schema: ChatMessage,
      authorize: ({ params, action }) => {
        expect(params).type.toBe<{ readonly user: string, readonly order: string }>()
        return action === 'subscribe'
      },
      onSubscribe: ({ params }) => { expect(params.user).type.toBe<string>() },
      onPublish: ({ data, params }) => {
        expect(data).type.toBe<Chat>()
        expect(params).type.not.toHaveProperty('id')
      }
    })
    Fastify().push.channel('news', { onPublish: ({ data }) => { expect(data).type.toBe<unknown>() } })
  })

  test('what onPublish makes of the data is the channel’s data, or nothing', () => {
    const { channel } = Fastify().push
    const schema = Type.Number()
    expect(channel).type.toBeCallableWith('news', { schema, onPublish: () => 1 })
    expect(channel).type.toBeCallableWith('news', { schema, onPublish: async () => {} })
    expect(channel).type.toBeCallableWith('news', { schema, onPublish: async ({ data }: { data: number }) => data > 0 ? data : undefined })
    expect(channel).type.not.toBeCallableWith('news', { schema, onPublish: () => 'a number was declared' })
    expect(channel).type.not.toBeCallableWith('news', { schema, onPublish: async () => ({ text: 'a number was declared' }) })
    expect(channel).type.toBeCallableWith('news', { onPublish: () => 'anything' })
  })

  test('plain JSON Schema does too', () => {
    Fastify().push.channel('news', {
      schema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] } as const,
      onPublish: ({ data }) => { expect(data.text).type.toBe<string>() }
    })
  })
})

describe('a client', () => {
  test('of channels that are known', () => {
    expect(createClient<Channels>('ws://localhost/push')).type.toBe<Client<Channels>>()
    const room = client.channel('room/1')
    expect(room).type.toBe<Channel<Chat>>()
    expect(room.publish).type.toBeCallableWith({ text: 'hi' })
    expect(room.publish).type.not.toBeCallableWith({ txt: 'hi' })
    room.subscribe((message) => { expect(message).type.toBe<ClientMessage<Chat>>() })
    expect(client.channel(`room/${id}`)).type.toBe<Channel<Chat>>()
    expect(client.channel('room/lobby')).type.toBe<Channel<{ notice: string }>>()
    expect(client.channel).type.not.toBeCallableWith('rooms/1')
    expect(client.channel).type.not.toBeCallableWith('room/1/2')
    expect(client.channel).type.not.toBeCallableWith(id)
  })

  test('of one of several channels', () => {
    const either = client.channel('room/1' as 'room/1' | 'room/lobby')
    expect(either).type.toBe<Channel<Chat> | Channel<{ notice: string }>>()
    expect(either.publish).type.not.toBeCallableWith({ text: 'hi' })
  })

  test('of channels that are not', () => {
    const loose = createClient('ws://localhost/push')
    expect(loose).type.toBe<Client>()
    expect(loose.channel('whatever')).type.toBe<Channel<unknown>>()
    expect(loose.channel<Chat>('room/1')).type.toBe<Channel<Chat>>()
    expect(loose.channel<Chat>(id)).type.toBe<Channel<Chat>>()
  })
})
