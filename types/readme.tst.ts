import Fastify from 'fastify'
import Type from 'typebox'
import { expect, test } from 'tstyche'
import { createClient } from '../lib/client/index.js'
import fastifyPush, { defineChannels, type ChannelsOf } from '../lib/index.js'

// The blocks of the README's section on types, as they stand there but for where the package is found; a test compares them.

// channels.ts

const ChatMessage = Type.Object({ text: Type.String() })

export const channels = defineChannels({
  'room/:id': {
    schema: ChatMessage,
    history: true,
    onPublish: ({ params, data }) => ({ text: `${params.id}: ${data.text}` })
  },
  'prices/*': { schema: Type.Number() }
})

export type Channels = ChannelsOf<typeof channels>

declare module '../lib/index.js' {
  interface PushChannels extends Channels {}
}

// server.ts

const app = Fastify()
await app.register(fastifyPush, { channels })

const id = '1'
await app.push.publish(`room/${id}`, { text: 'hi' })
// @ts-expect-error: Argument of type '"rooms/1"' is not assignable to parameter of type '`room/${string}` | `prices/${string}`'.
await app.push.publish('rooms/1', { text: 'hi' })
// @ts-expect-error: ... is not assignable to parameter of type 'number'.
await app.push.publish('prices/gold/spot', { text: 'hi' })

// client.ts

const client = createClient<Channels>('ws://127.0.0.1:3000/push')
client.channel('room/1').subscribe((message) => {
  const text: string = message.data.text
  console.log(text)
})

test('what the README says compiles', () => {
  expect(client.channel('prices/gold').publish).type.toBeCallableWith(1)
  expect(client.channel('prices/gold').publish).type.not.toBeCallableWith('1')
})
